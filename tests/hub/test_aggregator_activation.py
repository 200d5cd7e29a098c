"""An aggregator works under the protocol that was activated there, and under no other of its era."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DBAPIError

from cases import ConfigurationError
from hub.aggregator import aggregator_store, schema
from hub.aggregator.activation import aggregator_activations
from hub.aggregator.serve import AggregatorServer
from hub.aggregator.settings import load_aggregator_settings
from kelsey.cli import cli
from privacy.protocol import SurveillanceProtocol
from privacy.protocol_signatures import PartyRole, ProtocolSignatures, signatures_beside
from privacy.secure_sum import Role
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair, seal_exactly, upload
from tests.hub.secure_sum import PUBLIC, ROLE_KEYS, SITE_KEYS, House

OTHER = msgspec.structs.replace(PROTOCOL, epsilon=2.0)
NEXT_ERA = msgspec.structs.replace(PROTOCOL, era="2027")
BOTH = {f"body of the {role}": (PartyRole(role), key) for role, key in ROLE_KEYS.items()}


@pytest.fixture
def pair(tmp_path: Path) -> AggregatorPair:
    return AggregatorPair(tmp_path, hub_url="http://127.0.0.1:9", hub_key="k" * 40)


@pytest.fixture
def config(pair: AggregatorPair) -> Path:
    return pair.configs[Role.LEADER]


def sign(
    folder: Path,
    protocol: SurveillanceProtocol = PROTOCOL,
    *,
    without: str = "",
    instead: Mapping[str, Ed25519PrivateKey] | None = None,
) -> None:
    """Lay a protocol and everybody's signatures in `folder`; `instead` exchanges keys by party."""
    signatures = ProtocolSignatures.of(protocol)
    parties = {site: (PartyRole.SITE, key) for site, key in SITE_KEYS.items()} | BOTH
    for party, (role, key) in parties.items():
        if party != without:
            signatures = signatures.sign(protocol, (instead or {}).get(party, key), party=party, role=role)
    protocol.dump(folder / "protocol.json")
    signatures.dump(signatures_beside(folder / "protocol.json"))


def activate(config: Path, *more: str) -> tuple[int, str, str]:
    arguments = ["protocol", "activate", "--config", str(config), "--by", "Dr Sand", *more]
    result = CliRunner().invoke(cli, arguments, prog_name="kelsey")
    return result.exit_code, result.stdout, result.stderr


def starts(config: Path) -> None:
    AggregatorServer(load_aggregator_settings(config)).close()


def test_what_all_have_signed_is_activated_and_nothing_else_is_served(config: Path) -> None:
    sign(config.parent)
    code, said, err = activate(config, "--hash", PROTOCOL.hash[:12])
    assert (code, err) == (0, "")
    assert f"era 2026: protocol {PROTOCOL.hash[:12]} activated by Dr Sand on 20" in said
    assert "signed by body of the helper (helper), body of the leader (leader), east (site), north (site)" in said
    assert activate(config)[1] == said, "a second time changes nothing"
    starts(config)

    OTHER.dump(config.parent / "protocol.json")  # somebody swaps the file
    with pytest.raises(ConfigurationError, match=r"is active, not .*activate --config aggregator\.toml"):
        starts(config)
    code, _, err = activate(config)
    assert (code, "changed after it was signed" in err) == (1, True)
    sign(config.parent, OTHER)
    code, _, err = activate(config)
    assert (code, f"era 2026 runs under protocol {PROTOCOL.hash[:12]}" in err) == (1, True)
    sign(config.parent, NEXT_ERA)
    assert activate(config)[0] == 0
    starts(config)
    store = aggregator_store(load_aggregator_settings(config).database_url())
    made = aggregator_activations(store).all()
    store.close()
    assert [each.protocol_hash for each in made] == [PROTOCOL.hash, NEXT_ERA.hash]
    assert made[0].activated_by == "Dr Sand"


@pytest.mark.parametrize(
    ("party", "said"),
    [
        ("south", "is not signed by south (site)"),
        ("body of the helper", "is not signed by the aggregator (helper)"),
        ("body of the leader", "is not signed by the aggregator (leader)"),
    ],
)
def test_whoever_has_not_signed_is_named(config: Path, party: str, said: str) -> None:
    sign(config.parent, without=party)
    code, _, err = activate(config)
    assert (code, said in err) == (1, True)
    sign(config.parent, instead={party: Ed25519PrivateKey.generate()})
    code, _, err = activate(config)
    assert (code, said in err) == (1, True), "the name alone is not enough"
    assert activate(config, "--hash", "0" * 12)[0] == 1


def test_a_trial_works_and_says_so(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        starts(config)
    assert f"no protocol was activated at this aggregator: it works under {PROTOCOL.hash[:12]} unsigned" in caplog.text
    sign(config.parent)
    assert activate(config)[0] == 0
    caplog.clear()
    starts(config)
    assert "unsigned" not in caplog.text


def test_shares_that_wait_bind_the_era_to_their_protocol(pair: AggregatorPair, config: Path) -> None:
    with pair.serve(Role.LEADER), pair.client(Role.LEADER) as client:
        upload(client, "north", 0, seal_exactly("north", 0, {0: 5})[Role.LEADER])
    sign(config.parent, OTHER)
    bound = f"era 2026 runs under protocol {PROTOCOL.hash[:12]}"
    with pytest.raises(ConfigurationError, match=bound):
        starts(config)
    code, _, err = activate(config)
    assert (code, bound in err) == (1, True)
    sign(config.parent, NEXT_ERA)
    assert activate(config)[0] == 0


def test_agreed_sets_bind_the_era_and_the_record_is_never_changed(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.send("north", 0, {})
    house.send("south", 0, {})
    house.agree(0)
    book = aggregator_activations(house.parties[Role.HELPER].store)
    book.require(house.protocol)
    with pytest.raises(ConfigurationError, match="runs under protocol"):
        book.require(msgspec.structs.replace(house.protocol, epsilon=2.0))
    sign(tmp_path, house.protocol)
    keys = {site: key.public_key() for site, key in SITE_KEYS.items()}
    at = house.protocol.calendar.closes_at(0)
    book.activate(
        house.protocol, tmp_path / "protocol.json", site_keys=keys, aggregator_keys=PUBLIC, activated_by="x", at=at
    )
    table, store = schema.protocol_activation, house.parties[Role.HELPER].store
    for statement in (update(table).values(activated_by="y"), delete(table)):
        with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
            connection.execute(statement)
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 1
    house.stop()
