"""hub.toml: what is right is read, what is wrong is named; and what status, doctor and keys make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cases import ConfigurationError, ParameterError, ServiceError
from hub.api import create_app
from hub.api.context import build_context
from hub.doctor import check_hub
from hub.errors import UnknownIdError
from hub.keys import add_key, find_key, list_keys, register_key, revoke_key
from hub.openapi import openapi_document
from hub.roles import Role
from hub.serve import HubServer
from hub.settings import load_hub_settings
from hub.status import status
from hub.store import HubStore
from tests.hub.federation import NOW, Federation
from tests.hub.served_hub import write_settings
from tests.privacy.examples import dump_cells, with_buckets
from tests.privacy.strategies import ARTEFACTS, counting_with

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(federation: Federation, tmp_path: Path) -> Path:
    return write_settings(federation, f"sqlite:///{tmp_path / 'hub.sqlite'}", tmp_path)


def test_settings_are_read_with_paths_beside_the_file(config: Path, federation: Federation) -> None:
    settings = load_hub_settings(config)
    assert (settings.host, settings.port, settings.hub.public_url) == ("127.0.0.1", 0, "https://hub.example")
    assert settings.hub.protocol_file == config.parent / "protocol.json"
    assert settings.protocol() == federation.protocol
    assert set(settings.site_keys()) == {"north", "south", "west"}
    assert settings.webhooks.allow_addresses == ("127.0.0.1",)
    assert settings.hub.evaluation_grace_seconds == 21600


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[hub]", "[hub", "not TOML"),
        ("database_url", "databse_url", "databse_url"),
        ('listen = "127.0.0.1:0"', "listen = 80", r"\$\.hub\.listen"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1"', "listen must be host:port"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:99999"', "listen must be host:port"),
        ("heartbeat_seconds = 0.2", "heartbeat_seconds = 0", r"\$\.hub\.heartbeat_seconds"),
        ("heartbeat_seconds = 0.2", "evaluation_grace_seconds = -1", "evaluation_grace_seconds"),
        ("heartbeat_seconds = 0.2", "weight_ratio = 1.5", "weight_ratio"),
        ('id = "south"', 'id = "north"', "ids must be distinct"),
        ('id = "south"', 'id = "South Hospital"', r"at `\$\.site\[1\]\.id`"),
        ("timeout_seconds = 5", "timeout = 5", "timeout"),
        ("[webhooks]", '[[api_key]]\nname = "a"\nrole = "king"\nkey_file = "k"\n[webhooks]', "role"),
        ("[webhooks]", '[[api_key]]\nname = "a"\nrole = "site"\nkey_file = "k"\n[webhooks]', "names its site"),
        (
            "[webhooks]",
            '[[api_key]]\nname = "a"\nrole = "site"\nsite = "east"\nkey_file = "k"\n[webhooks]',
            "no .*east",
        ),
        ("database_url", 'database_url_file = "u"\ndatabase_url', "either database_url or database_url_file"),
    ],
)
def test_a_wrong_setting_is_named(config: Path, old: str, new: str, says: str) -> None:
    config.write_text(config.read_text().replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_hub_settings(config)
    assert str(config) in str(caught.value)


def test_missing_files_are_named(config: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: No such file"):
        load_hub_settings(config.parent / "nowhere.toml")
    (config.parent / "south.pem").unlink()
    with pytest.raises(ConfigurationError, match=r"public_key_file of site south: .*No such file"):
        load_hub_settings(config).site_keys()
    (config.parent / "protocol.json").unlink()
    with pytest.raises(ConfigurationError, match=r"protocol file .*No such file"):
        load_hub_settings(config).protocol()


def test_keys_of_the_wrong_kind_are_named(config: Path) -> None:
    other = generate_private_key(65537, 2048).public_key()
    for content in (b"no key", other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        (config.parent / "west.pem").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"not an Ed25519 public key.*site west"):
            load_hub_settings(config).site_keys()


def test_two_sites_with_one_key_are_refused(config: Path) -> None:
    (config.parent / "west.pem").write_bytes((config.parent / "north.pem").read_bytes())
    with pytest.raises(ConfigurationError, match="sites north and west have one key"):
        load_hub_settings(config).site_keys()


def test_the_database_url_may_come_from_a_file(config: Path) -> None:
    text = config.read_text()
    url = load_hub_settings(config).database_url()
    config.write_text(text.replace(f'database_url = "{url}"', 'database_url_file = "url"'))
    (config.parent / "url").write_text(url + "\n")
    assert load_hub_settings(config).database_url() == url


def test_api_keys_from_files_are_registered_once(config: Path) -> None:
    secret = "k" * 40
    (config.parent / "officer.key").write_text(secret + "\n")
    config.write_text(config.read_text() + '[[api_key]]\nname = "Dr. X"\nrole = "officer"\nkey_file = "officer.key"\n')
    settings = load_hub_settings(config)
    for _ in range(2):
        context = build_context(settings)
        found = find_key(context.store, secret)
        assert found is not None
        assert (found.name, found.role, len(list_keys(context.store))) == ("Dr. X", Role.OFFICER, 1)
        context.store.close()
    (config.parent / "officer.key").write_text("short")
    with pytest.raises(ConfigurationError, match="at least 32"):
        create_app(settings)
    (config.parent / "officer.key").unlink()
    with pytest.raises(ConfigurationError, match=r"key_file of API key Dr\. X: .*No such file"):
        create_app(settings)


def test_a_certificate_file_without_certificate_is_named(config: Path) -> None:
    (config.parent / "ca.pem").write_text("nothing")
    config.write_text(config.read_text().replace("[webhooks]", '[webhooks]\nca_file = "ca.pem"'))
    with pytest.raises(ConfigurationError, match=r"ca\.pem holds no certificate"):
        create_app(load_hub_settings(config))


def test_keys_are_kept_as_a_hash_and_end_when_revoked(store: HubStore) -> None:
    made = add_key(store, name="north", role=Role.SITE, site="north", at=NOW)
    assert len(made.secret) >= 43
    assert find_key(store, made.secret) == made.key
    assert find_key(store, made.secret + "x") is None
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM api_key").all()
    assert made.secret not in repr(rows)
    with pytest.raises(ConfigurationError, match="another role or site"):
        register_key(store, made.secret, name="north", role=Role.ADMIN, at=NOW)
    revoke_key(store, made.key.id, at=NOW)
    assert find_key(store, made.secret) is None
    assert list_keys(store)[0].revoked_at == NOW
    with pytest.raises(ConfigurationError, match="was revoked"):
        register_key(store, made.secret, name="north", role=Role.SITE, site="north", at=NOW)
    with pytest.raises(UnknownIdError):
        revoke_key(store, made.key.id, at=NOW)
    for role, site in ((Role.SITE, None), (Role.ADMIN, "north")):
        with pytest.raises(ParameterError, match="role site"):
            add_key(store, name="x", role=role, site=site, at=NOW)


def test_an_address_in_use_is_a_clear_error(config: Path) -> None:
    taken = HubServer(load_hub_settings(config))
    config.write_text(config.read_text().replace("127.0.0.1:0", taken.address.removeprefix("http://")))
    with pytest.raises(ServiceError, match="cannot listen on") as caught:
        HubServer(load_hub_settings(config))
    assert caught.value.hint
    taken.close()


def test_status_of_a_hub_that_has_seen_nothing(config: Path) -> None:
    found = status(load_hub_settings(config))
    assert found["sites"]["north"] == {
        "releases": 0, "last_epoch": None, "last_epoch_end": None, "last_received_at": None,
    }  # fmt: skip
    assert found["refusals"] == {}
    assert found["last_evaluated_epoch"] is None
    assert found["subscriptions"] == {"active": 0, "pending_deliveries": 0}


def test_doctor_finds_a_good_hub_good(config: Path) -> None:
    findings = check_hub(config)
    assert [finding.name for finding in findings if not finding.is_ok] == []
    assert {"settings", "protocol", "rules", "site keys", "database"} <= {finding.name for finding in findings}


def test_doctor_names_what_is_wrong_and_the_way_out(config: Path, federation: Federation) -> None:
    (config.parent / "south.pem").write_text("no key")
    (config.parent / "open.key").write_text("k" * 40)
    (config.parent / "open.key").chmod(0o644)
    text = config.read_text().replace("hub.sqlite", "nowhere/hub.sqlite").replace('"127.0.0.1"', '"10.0.0.0/99"')
    config.write_text(text + '[[api_key]]\nname = "Dr. X"\nrole = "officer"\nkey_file = "open.key"\n')
    wrong = {finding.name: finding for finding in check_hub(config) if not finding.is_ok}
    assert set(wrong) == {"site keys", "API key Dr. X", "webhooks", "database"}
    assert all(finding.way_out for finding in wrong.values())
    assert check_hub(config.parent / "nowhere.toml")[0].name == "settings"
    config.write_text(text.replace("protocol.json", "south.pem"))
    assert "protocol" in {finding.name for finding in check_hub(config) if not finding.is_ok}


def test_the_committed_description_of_the_interface_is_the_real_one() -> None:
    committed = (ROOT / "docs" / "hub-openapi.json").read_text(encoding="utf-8")
    assert committed == openapi_document(), "renew it: python -m hub.openapi"


def test_the_artefact_of_a_protocol_is_read_where_the_settings_say(config: Path) -> None:
    under = counting_with("dense")
    under.dump(config.parent / "protocol.json")
    with pytest.raises(ConfigurationError, match="not at hand"):
        load_hub_settings(config).protocol()
    assert any(not finding.is_ok and "not at hand" in finding.detail for finding in check_hub(config))
    ARTEFACTS["dense"].dump(config.parent / "matrix.json")
    config.write_text(config.read_text().replace("[hub]", '[hub]\nfactorisation_file = "matrix.json"'))
    assert load_hub_settings(config).protocol().strategy.epochs == under.calendar.count


def test_the_active_cells_of_a_protocol_are_read_where_the_settings_say(config: Path) -> None:
    under = with_buckets([0, 5], buckets=4)
    under.dump(config.parent / "protocol.json")
    with pytest.raises(ConfigurationError, match=r"protocol\.cells\.json: No such file"):
        load_hub_settings(config).protocol()
    assert any(not finding.is_ok and "cells.json" in finding.detail for finding in check_hub(config))
    dump_cells(under, config.parent / "elsewhere.json")
    config.write_text(config.read_text().replace("[hub]", '[hub]\ncells_file = "elsewhere.json"'))
    assert load_hub_settings(config).protocol().layout.lengths["pair"] == 6
    dump_cells(under, config.parent / "elsewhere.json", 5, 7)
    with pytest.raises(ConfigurationError, match=f"the protocol names {under.active_cells}"):
        load_hub_settings(config).protocol()
    (found,) = [finding for finding in check_hub(config) if finding.name == "protocol"]
    assert (found.is_ok, found.way_out) == (False, "ask for the artefact that belongs to the protocol")
