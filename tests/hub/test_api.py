"""The interface over real HTTP, as sites, officers, regulators and administrators use it."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from functools import reduce
from pathlib import Path

import msgspec
import pytest

from hub.errors import ReleaseRefused
from hub.lifecycle import SdrState
from hub.reasons import RefusalReason
from hub.roles import Role
from privacy.calendar import EpochCalendar
from privacy.release import maximum_release_bytes
from tests.hub.federation import Federation, PlayedSite, make_protocol
from tests.hub.receiver import Receiver
from tests.hub.served_hub import ServedHub
from tests.hub.waiting import eventually

PROBLEM = "application/problem+json"
COUNTS = dict.fromkeys(range(48), 25) | {13: 300}  # drug 1, reaction 5


def send_epoch(served: ServedHub, epoch: int = 0) -> None:
    """All sites release, each with its own key."""
    for name, site in served.federation.sites.items():
        with served.client(None) as client:
            key = served.key_of_site(name)
            answer = client.post(
                "/v1/releases", content=site.release(epoch, COUNTS), headers={"authorization": f"Bearer {key}"}
            )
            assert answer.status_code == 200, answer.text


def first_sdr(served: ServedHub) -> dict[str, object]:
    """Send an epoch and wait until the hub has evaluated it by itself."""
    send_epoch(served)
    officer = served.client(Role.OFFICER)
    page = eventually(lambda: officer.get("/v1/sdrs").json()["items"])
    return dict(page[0])


def test_a_release_becomes_an_sdr_that_people_decide_on(served: ServedHub) -> None:
    sdr = first_sdr(served)
    officer, regulator = served.client(Role.OFFICER), served.client(Role.REGULATOR)
    assert (sdr["drug"], sdr["reaction"], sdr["state"], sdr["first_date"]) == (
        "drug 1", "reaction 5", "raised", "2026-01-31",
    )  # fmt: skip
    path = f"/v1/sdrs/{sdr['id']}"
    answer = officer.post(f"{path}/transitions", json={"to_state": "validated", "reason": "dechallenge positive"})
    assert answer.status_code == 201
    assert answer.json()["actor"].startswith("the officer [key-")
    refusal = officer.post(f"{path}/transitions", json={"to_state": "confirmed", "reason": "sure"})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "transition-refused")
    assert "regulator" in refusal.json()["hint"]
    assert regulator.post(f"{path}/transitions", json={"to_state": "confirmed", "reason": "PRAC"}).status_code == 201
    detail = regulator.get(path).json()
    assert detail["state"] == "confirmed"
    assert [step["to_state"] for step in detail["transitions"]] == ["raised", "validated", "confirmed"]
    assert [step["reason"] for step in detail["transitions"]][1:] == ["dechallenge positive", "PRAC"]
    assert officer.get("/v1/sdrs", params={"state": "confirmed"}).json()["items"][0]["id"] == sdr["id"]
    assert officer.get("/v1/sdrs", params={"drug": "drug 2"}).json() == {"items": [], "next_offset": None}
    page = officer.get("/v1/sdrs", params={"limit": 1}).json()
    assert (len(page["items"]), page["next_offset"]) == (1, 1)


def test_the_series_of_a_pair(served: ServedHub) -> None:
    first_sdr(served)
    officer = served.client(Role.OFFICER)

    def points() -> list[dict[str, object]]:
        series = officer.get("/v1/pairs", params={"drug": "drug 1", "reaction": "reaction 5"}).json()
        return list(series["points"])

    # the first evaluation may come between two sites' releases; the next one has them all
    eventually(lambda: [point for point in points() if point["n"] == pytest.approx(900, abs=60)])
    (point,) = points()
    assert (point["epoch"], point["epoch_end"]) == (0, "2026-01-31")
    assert float(str(point["n_sd"])) > 1
    assert float(str(point["ror_lower"])) > 1
    assert point["state"] == "signal"
    assert "signal" in dict(point["rule_states"]).values()  # type: ignore[call-overload]  # JSON
    quiet = officer.get("/v1/pairs", params={"drug": "drug 2", "reaction": "reaction 2"}).json()
    assert quiet["points"] == []
    assert quiet["latest"]["state"] in {"no-signal", "too-little-information"}
    assert quiet["latest"]["detectable_excess"] > 4.1
    wrong = officer.get("/v1/pairs", params={"drug": "drag 1", "reaction": "reaction 5"})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown-term")
    assert "drug 1" in wrong.json()["hint"]


def test_a_site_gets_receipts_and_replays(served: ServedHub) -> None:
    site, line = served.client(Role.SITE), served.federation.sites["north"].release(0)
    assert site.get("/v1/releases/latest").json() is None
    first, again = site.post("/v1/releases", content=line), site.post("/v1/releases", content=line)
    assert (first.json()["status"], again.json()["status"]) == ("accepted", "replayed")
    assert first.json() | {"status": ""} == again.json() | {"status": ""}
    assert (first.json()["site"], first.json()["sequence"]) == ("north", 0)
    latest = site.get("/v1/releases/latest").json()
    assert latest == {key: first.json()[key] for key in ("era", "epoch", "sequence", "digest")}
    assert latest["digest"] == hashlib.sha256(line).hexdigest()
    protocol = site.get("/v1/protocol")
    assert protocol.content == served.federation.protocol.encode()
    assert protocol.headers["etag"] == f'"{served.federation.protocol.hash}"'


def test_every_wrong_release_is_refused_with_its_code(served: ServedHub) -> None:
    site, sites = served.client(Role.SITE), served.federation.sites
    north = sites["north"]
    limit = maximum_release_bytes(served.federation.protocol)
    wrong = {
        RefusalReason.OVERSIZED: b" " * (limit + 1),
        RefusalReason.INVALID_FORMAT: b"{}",
        RefusalReason.SITE_MISMATCH: sites["south"].release(0),
        RefusalReason.BAD_SIGNATURE: PlayedSite("north", served.federation.protocol, seed=77).release(0),
        RefusalReason.WRONG_PROTOCOL: north.seal(protocol_hash="0" * 64),
        RefusalReason.WRONG_ERA: north.seal(era="1999"),
        RefusalReason.EPOCH_OUT_OF_RANGE: north.seal(epoch=500),
        RefusalReason.SEQUENCE_GAP: north.seal(sequence=5, epoch=5),
    }
    for reason, line in wrong.items():
        answer = site.post("/v1/releases", content=line)
        assert (answer.status_code, answer.json()["code"]) == (reason.http_status, str(reason)), answer.text
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["hint"] == ReleaseRefused(reason).hint
    status = served.client(Role.OFFICER).get("/v1/status").json()
    assert status["refusals"] == dict.fromkeys(map(str, wrong), 1)
    metrics = served.client(None).get("/metrics").text
    assert 'kelsey_hub_refusals_total{reason="bad-signature"} 1.0' in metrics
    assert f'kelsey_hub_releases_total{{result="refused",site="north"}} {len(wrong)}.0' in metrics


def test_an_oversized_body_is_refused_while_it_is_still_coming(served: ServedHub) -> None:
    limit = maximum_release_bytes(served.federation.protocol)

    def endless() -> object:
        for _ in range(limit // 1000 + 2):
            yield b"x" * 1000

    answer = served.client(Role.SITE).post("/v1/releases", content=endless())  # type: ignore[arg-type]  # a generator
    assert (answer.status_code, answer.json()["code"]) == (413, "oversized")


@pytest.mark.parametrize("role", [None, *Role])
def test_each_route_lets_in_its_roles_alone(served: ServedHub, role: Role | None) -> None:
    people, staff = {Role.OFFICER, Role.REGULATOR}, {Role.OFFICER, Role.REGULATOR, Role.ADMIN}
    may = {
        ("POST", "/v1/releases"): {Role.SITE},
        ("GET", "/v1/releases/latest"): {Role.SITE},
        ("GET", "/v1/protocol"): set(Role),
        ("POST", "/v1/sums"): {Role.AGGREGATOR},
        ("GET", "/v1/sums/accepted"): set(Role),
        ("GET", "/v1/sums/received/leader"): {Role.AGGREGATOR},
        ("GET", "/v1/sdrs"): staff,
        ("GET", "/v1/sdrs/sdr-0"): staff,
        ("POST", "/v1/sdrs/sdr-0/transitions"): people,
        ("GET", "/v1/events?after=-1"): people,  # a wrong parameter: the answer is not endless
        ("GET", "/v1/pairs?drug=drug+1&reaction=reaction+1"): staff,
        ("GET", "/v1/subscriptions"): staff,
        ("POST", "/v1/subscriptions"): staff,
        ("GET", "/v1/subscriptions/sub-0"): staff,
        ("DELETE", "/v1/subscriptions/sub-0"): staff,
        ("GET", "/v1/subscriptions/sub-0/deliveries"): staff,
        ("GET", "/v1/residual"): staff,
        ("GET", "/v1/status"): staff,
        ("GET", "/v1/keys"): {Role.ADMIN},
        ("POST", "/v1/keys"): {Role.ADMIN},
        ("DELETE", "/v1/keys/key-0"): {Role.ADMIN},
    }
    examples = {"{sdr_id}": "sdr-0", "{subscription_id}": "sub-0", "{key_id}": "key-0", "{role}": "leader"}
    described = {
        (method.upper(), reduce(lambda text, name: text.replace(name, examples[name]), examples, path))
        for path, methods in served.client(None).get("/v1/openapi.json").json()["paths"].items()
        for method in methods
    }
    assert described - {(method, path.partition("?")[0]) for method, path in may} == {
        ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"),
    }  # fmt: skip
    client = served.client(role)
    for (method, path), roles in may.items():
        status = client.request(method, path).status_code
        if role is None:
            assert status == 401, path
        elif role in roles:
            assert status not in (401, 403), path
        else:
            assert status == 403, path


def test_wrong_and_revoked_keys_do_not_open_anything(served: ServedHub) -> None:
    admin = served.client(Role.ADMIN)
    made = admin.post("/v1/keys", json={"name": "Dr. Oldham", "role": "officer"})
    assert made.status_code == 201
    secret = made.json()["secret"]
    headers = {"authorization": f"Bearer {secret}"}
    anybody = served.client(None)
    assert anybody.get("/v1/sdrs", headers=headers).status_code == 200
    assert anybody.get("/v1/sdrs", headers={"authorization": f"Bearer {secret[:-1]}"}).status_code == 401
    assert anybody.get("/v1/sdrs", headers={"authorization": f"Basic {secret}"}).status_code == 401
    assert secret not in admin.get("/v1/keys").text
    assert admin.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
    refusal = anybody.get("/v1/sdrs", headers=headers)
    assert (refusal.status_code, refusal.headers["www-authenticate"]) == (401, "Bearer")
    assert admin.delete(f"/v1/keys/{made.json()['id']}").status_code == 404
    for wrong in ({"role": "site"}, {"role": "officer", "site": "north"}, {"role": "site", "site": "east"}):
        assert admin.post("/v1/keys", json={"name": "x", **wrong}).status_code == 422


def test_subscriptions_deliver_and_are_their_owners(served: ServedHub) -> None:
    officer, regulator, admin = (served.client(role) for role in (Role.OFFICER, Role.REGULATOR, Role.ADMIN))
    with Receiver() as receiver:
        made = officer.post("/v1/subscriptions", json={"url": receiver.url, "drug": "drug 1"})
        assert made.status_code == 201, made.text
        identity, secret = made.json()["id"], made.json()["secret"]
        assert secret.startswith("whsec_")
        send_epoch(served)
        event = msgspec.json.decode(receiver.wait_for(1)[0].body)
        assert event["data"]["sdr"]["drug"] == "drug 1"
        log = eventually(lambda: officer.get(f"/v1/subscriptions/{identity}/deliveries").json())
        assert (log[0]["status"], log[0]["http_status"], log[0]["attempt"]) == ("delivered", 204, 1)
        assert secret not in officer.get("/v1/subscriptions").text
        assert regulator.get("/v1/subscriptions").json() == []
        for path in (f"/v1/subscriptions/{identity}", f"/v1/subscriptions/{identity}/deliveries"):
            assert regulator.get(path).status_code == 404
            assert admin.get(path).status_code == 200
        assert regulator.delete(f"/v1/subscriptions/{identity}").status_code == 404
        assert officer.delete(f"/v1/subscriptions/{identity}").status_code == 204
        assert officer.get("/v1/subscriptions").json() == []


@pytest.mark.parametrize(
    "url",
    ["https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest", "ftp://x.example/", "http://1.1.1.1/"],
)
def test_addresses_the_hub_must_not_call_are_refused(served: ServedHub, url: str) -> None:
    answer = served.client(Role.OFFICER).post("/v1/subscriptions", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook-address-refused")
    assert answer.headers["content-type"] == PROBLEM


def test_errors_are_problem_documents_that_repeat_nothing(served: ServedHub) -> None:
    canary = "gundula-quastenflosser-1947"
    officer = served.client(Role.OFFICER)
    answers = [
        officer.get(f"/v1/{canary}"),
        officer.get(f"/v1/sdrs/{canary}"),
        officer.get("/v1/sdrs", params={"state": canary}),
        officer.get("/v1/sdrs", params={"limit": canary}),
        officer.get("/v1/pairs", params={"drug": canary, "reaction": "reaction 1"}),
        officer.put("/v1/sdrs"),
        officer.post("/v1/sdrs/sdr-0/transitions", json={"to_state": "closed", "reason": "r", canary: 1}),
        officer.post("/v1/subscriptions", content=canary),
        officer.post("/v1/subscriptions", json={"url": f"https://{canary}:x/"}),
        officer.get("/v1/events", headers={"last-event-id": canary}),
        served.client(Role.SITE).post("/v1/releases", content=canary),
        served.client(Role.ADMIN).post("/v1/keys", json={"name": "x" * 129, "role": canary}),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == PROBLEM
        problem = answer.json()
        assert {"type", "title", "status", "code", "detail"} <= set(problem)
        assert problem["type"] == f"urn:kelsey:problem:{problem['code']}"
        assert problem["status"] == answer.status_code
        text = answer.text.replace(f'"{canary}"', "", 1) if '"location"' in answer.text else answer.text
        assert canary not in text
    metrics = served.client(None).get("/metrics").text
    assert canary not in metrics


def test_a_large_body_is_refused_on_every_route(served: ServedHub) -> None:
    def parts() -> object:
        for _ in range(80):
            yield b" " * 1024

    for body in (b" " * 80_000, parts()):
        answer = served.client(Role.OFFICER).post("/v1/subscriptions", content=body)  # type: ignore[arg-type]  # either
        assert (answer.status_code, answer.json()["code"]) == (413, "oversized")


def test_probes_status_and_metrics(served: ServedHub) -> None:
    anybody = served.client(None)
    assert (anybody.get("/healthz").text, anybody.get("/readyz").text) == ("ok", "ok")
    first_sdr(served)
    status = served.client(Role.ADMIN).get("/v1/status").json()
    assert status["sites"]["north"] == {
        "releases": 1, "last_epoch": 0, "last_epoch_end": "2026-01-31",
        "last_received_at": status["sites"]["north"]["last_received_at"],
    }  # fmt: skip
    assert status["last_evaluated_epoch"] == 0
    assert status["sdrs"]["raised"] > 0
    assert status["protocol"]["hash"] == served.federation.protocol.hash
    text = anybody.get("/metrics").text
    for line in (
        'kelsey_hub_releases_total{result="accepted",site="north"} 1.0',
        'kelsey_hub_sdrs{state="confirmed"} 0.0',
        "kelsey_hub_delivery_pending 0.0",
        'kelsey_hub_request_seconds_count{method="POST",route="/v1/releases",status="200"} 3.0',
    ):
        assert line in text, line
    assert 'kelsey_hub_last_release_timestamp_seconds{site="south"} 1.' in text
    assert re.search(r"kelsey_hub_evaluation_seconds_count [1-3]\.0", text)  # again for each that came late
    assert "drug 1" not in text
    assert "reaction 5" not in text


def test_routes_in_metrics_are_templates(served: ServedHub) -> None:
    officer = served.client(Role.OFFICER)
    officer.get("/v1/sdrs/sdr-123")
    officer.get("/v1/nowhere/at/all")
    text = served.client(None).get("/metrics").text
    assert 'kelsey_hub_request_seconds_count{method="GET",route="/v1/sdrs/{sdr_id}",status="404"} 1.0' in text
    assert 'route="unknown",status="404"} 1.0' in text
    assert "sdr-123" not in text
    assert "nowhere" not in text


def test_a_late_site_is_waited_for(database_url: str, tmp_path: Path) -> None:
    distant = make_protocol(calendar=EpochCalendar("month", date(2900, 1, 1), 12))  # only a complete set is due
    with ServedHub(Federation(distant), database_url, tmp_path) as served:
        officer = served.client(Role.OFFICER)
        for number, (name, site) in enumerate(served.federation.sites.items()):
            assert officer.get("/v1/status").json()["last_evaluated_epoch"] is None, number
            headers = {"authorization": f"Bearer {served.key_of_site(name)}"}
            answer = served.client(None).post("/v1/releases", content=site.release(0, COUNTS), headers=headers)
            assert answer.status_code == 200
        assert eventually(lambda: officer.get("/v1/status").json()["last_evaluated_epoch"]) == 0


def test_sdr_states_of_the_interface_are_those_of_the_lifecycle(served: ServedHub) -> None:
    schema = served.client(None).get("/v1/openapi.json").json()["components"]["schemas"]["SdrState"]
    assert schema["enum"] == list(SdrState)
