"""aggregator.toml: what is right is read, what is wrong is named; keys, status and the command line around it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cases import ConfigurationError, ServiceError
from hub.aggregator.doctor import check_aggregator
from hub.aggregator.serve import AggregatorServer
from hub.aggregator.settings import load_aggregator_settings
from kelsey.cli import cli
from privacy.key_file import load_public_key
from privacy.secure_sum import Role
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair
from tests.hub.federation import under
from tests.hub.secure_sum import PUBLIC, SITE_KEYS
from tests.privacy.examples import dump_cells, with_buckets


@pytest.fixture
def pair(tmp_path: Path) -> AggregatorPair:
    return AggregatorPair(tmp_path, hub_url="http://127.0.0.1:9", hub_key="k" * 40)


@pytest.fixture
def config(pair: AggregatorPair) -> Path:
    return pair.configs[Role.LEADER]


def test_settings_are_read_with_paths_beside_the_file(config: Path) -> None:
    settings = load_aggregator_settings(config)
    assert settings.aggregator.role is Role.LEADER
    assert settings.aggregator.ledger_file == config.parent / "leader" / "ledger.sqlite"
    assert settings.protocol() == PROTOCOL
    assert settings.signing_key().public_key() == PUBLIC[Role.LEADER]
    assert settings.peer_key() == PUBLIC[Role.HELPER]
    assert set(settings.site_keys()) == set(SITE_KEYS)
    assert settings.api_key() == "k" * 40
    assert settings.mutual_tls is not None
    assert settings.mutual_tls.client_ca_file == config.parent / "authority.pem"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('role = "leader"', 'role = "follower"', "role"),
        ("poll_seconds = 0.05", "poll_seconds = nan", "poll_seconds"),
        ("poll_seconds = 0.05", "poll = 1", "poll"),
        ("agreement_grace_seconds = 0", "agreement_grace_seconds = -1", "agreement_grace_seconds"),
        ("database_url =", "ledger =", "ledger"),
        ('ledger_file = "leader/ledger.sqlite"', "", "ledger_file"),
        ('id = "south"', 'id = "north"', "distinct ids"),
        ('id = "south"', 'id = "South"', "id"),
        ('url = "http://127.0.0.1:9"', 'url = "http://hub.example"', r"\[hub\] url must begin with https"),
        ('[peer]\nurl = "https', '[peer]\nurl = "ftp', r"\[peer\] url must begin with https"),
        ("[tls]", 'health_listen = "nowhere"\n[tls]', "health_listen must be host:port"),
    ],
)
def test_what_is_wrong_is_named(config: Path, old: str, new: str, says: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=says):
        load_aggregator_settings(config)


def test_without_tls_it_listens_on_loopback_alone(config: Path) -> None:
    text = config.read_text()
    plain = text[: text.index("[tls]")] + text[text.index("[peer]") :]
    config.write_text(plain)
    assert load_aggregator_settings(config).mutual_tls is None
    listen = plain[plain.index("listen =") :].splitlines()[0]
    for address in ("0.0.0.0:8443", "aggregator.example:8443", "[::]:8443"):
        config.write_text(plain.replace(listen, f'listen = "{address}"'))
        with pytest.raises(ConfigurationError, match=r"without \[tls\] an aggregator listens on a loopback address"):
            load_aggregator_settings(config)
    for address in ("localhost:8443", "[::1]:8443", "127.0.0.9:8443"):
        config.write_text(plain.replace(listen, f'listen = "{address}"'))
        assert load_aggregator_settings(config).aggregator.listen == address


@pytest.mark.parametrize("name", ["leader-signing.pem", "hub.key", "leader.key"])
def test_secrets_that_everybody_may_read_are_refused(config: Path, name: str) -> None:
    (config.parent / name).chmod(0o644)
    with pytest.raises(ConfigurationError, match="may be read by everybody"):
        AggregatorServer(load_aggregator_settings(config))


def test_files_that_hold_something_else_are_refused(config: Path, pair: AggregatorPair) -> None:
    folder = config.parent
    signing = folder / "leader-signing.pem"
    own = signing.read_bytes()
    signing.write_bytes((folder / "leader.key").read_bytes())
    with pytest.raises(ConfigurationError, match="is not an Ed25519 key"):
        AggregatorServer(load_aggregator_settings(config))
    signing.write_bytes(own)
    under(PROTOCOL, trust_mode="per-site", minimum_cohort=msgspec.UNSET, honest_fraction=msgspec.UNSET).dump(
        folder / "protocol.json"
    )
    with pytest.raises(ConfigurationError, match="has trust mode per-site, not secure-sum"):
        AggregatorServer(load_aggregator_settings(config))
    PROTOCOL.dump(folder / "protocol.json")
    good = (folder / "leader.crt").read_bytes()
    (folder / "leader.crt").write_bytes((folder / "helper.crt").read_bytes())
    with pytest.raises(ConfigurationError, match="do not belong together"):
        AggregatorServer(load_aggregator_settings(config))
    (folder / "leader.crt").write_bytes(good)
    (folder / "authority.pem").write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="ca_file"):
        AggregatorServer(load_aggregator_settings(config))


def test_the_active_cells_of_a_protocol_are_read_where_the_settings_say(config: Path) -> None:
    fields = {"trust_mode": "secure-sum", "minimum_cohort": 2, "honest_fraction": 0.8}
    sparse = with_buckets([0, 5], buckets=4, **fields)
    sparse.dump(config.parent / "protocol.json")
    assert "protocol.cells.json: No such file" in _wrong_protocol(config)
    dump_cells(sparse, config.parent / "protocol.cells.json")
    assert load_aggregator_settings(config).protocol().layout.lengths["pair"] == 6
    dump_cells(sparse, config.parent / "elsewhere.json", 5, 7)
    config.write_text(config.read_text().replace("[tls]", 'cells_file = "elsewhere.json"\n[tls]'))
    assert f"the protocol names {sparse.active_cells}" in _wrong_protocol(config)
    (config.parent / "protocol.cells.json").rename(config.parent / "elsewhere.json")
    assert load_aggregator_settings(config).protocol() == sparse
    PROTOCOL.dump(config.parent / "protocol.json")
    assert "the protocol names no active cells" in _wrong_protocol(config)


def _wrong_protocol(config: Path) -> str:
    """Why there is no protocol: what the settings raise, the aggregator does not start with, and the doctor names."""
    with pytest.raises(ConfigurationError) as refused:
        load_aggregator_settings(config).protocol()
    with pytest.raises(ConfigurationError, match=re.escape(refused.value.message)):
        AggregatorServer(load_aggregator_settings(config))
    found = check_aggregator(config)[-1]
    assert (found.name, found.is_ok, found.detail) == ("protocol", False, refused.value.message)
    assert found.way_out == refused.value.hint or not refused.value.hint
    return found.detail


def test_a_taken_address_or_ledger_is_said(config: Path) -> None:
    settings = load_aggregator_settings(config)
    first = AggregatorServer(settings)
    with pytest.raises(ServiceError, match="ledger"):
        AggregatorServer(settings)
    first.close()
    second = AggregatorServer(settings)
    assert second.address == f"https://{settings.aggregator.listen}"
    second.close()


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["aggregator", *arguments], prog_name="kelsey")
    return result.exit_code, result.stdout, result.stderr


def test_keys_are_drawn_once_and_belong_together(tmp_path: Path) -> None:
    out = tmp_path / "secrets"
    code, said, _ = run("keys", "--out", str(out))
    assert code == 0
    assert "give it to the hub, the peer and all sites" in said
    secret = out / "signing.pem"
    assert secret.stat().st_mode & 0o777 == 0o600
    key = load_pem_private_key(secret.read_bytes(), password=None)
    assert key.public_key() == load_public_key(out / "signing.pub", "it")
    code, _, err = run("keys", "--out", str(out))
    assert (code, "exists" in err) == (1, True)
    assert secret.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_status_says_how_it_stands(config: Path) -> None:
    code, said, _ = run("status", "--config", str(config), "--json")
    assert code == 0
    found = json.loads(said)
    assert (found["role"], found["agreed_epochs"], found["last_agreed"], found["sums"]) == ("leader", 0, None, {})
    assert (found["registered_sites"], found["protocol"]["minimum_cohort"]) == (4, 2)
    code, said, _ = run("status", "--config", str(config))
    assert "role: leader" in said
    config.write_text(config.read_text().replace("[tls]", "[tsl]"))
    code, _, err = run("serve", "--config", str(config))
    assert (code, err.count("\n"), "docs/aggregator.md lists every setting" in err) == (1, 1, True)
