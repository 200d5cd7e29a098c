"""Whatever text a caller sends, the answer is an answer: never a failure of the hub, never the text again."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hub.roles import Role
from tests.hub.served_hub import ServedHub
from tests.hub.test_signals import candidate, raise_all

cheap = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@cheap
@given(value=text)
@example("\x00")
@example("'; DROP TABLE sdr; --")
@example("%00")
def test_any_text_in_a_request_is_answered(served: ServedHub, value: str) -> None:
    officer, admin = served.clients[Role.OFFICER], served.clients[Role.ADMIN]
    answers = [
        officer.get("/v1/sdrs", params={"drug": value, "reaction": value, "rule": value}),
        officer.get("/v1/sdrs", params={"state": value}),
        officer.get(f"/v1/sdrs/{quote(value, safe='')}"),
        officer.get("/v1/pairs", params={"drug": value, "reaction": value}),
        officer.get("/v1/events", params={"after": value}, headers={"last-event-id": "x"}),
        officer.post("/v1/sdrs/sdr-0/transitions", json={"to_state": "closed", "reason": value}),
        officer.post("/v1/subscriptions", json={"url": f"https://{value}/", "drug": value}),
        officer.get(f"/v1/subscriptions/{quote(value, safe='')}/deliveries"),
        admin.post("/v1/keys", json={"name": value, "role": value}),
        admin.delete(f"/v1/keys/{quote(value, safe='')}"),
    ]
    for answer in answers:
        assert answer.status_code < 500, answer.request.url
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
    assert admin.get("/v1/keys").status_code == 200


@cheap
@given(body=st.binary(max_size=200))
@example(b'{"to_state":"closed","reason":"\\u0000"}')
@example(b'{"to_state":"closed","reason":"\\ud800"}')
@example(b"[" * 5000)
def test_any_bytes_as_a_body_are_answered(served: ServedHub, body: bytes) -> None:
    store = served.store
    sdr = raise_all(store, candidate(drug="drug 0"))
    identity = sdr[0].id if sdr else "sdr-0"
    answers = [
        served.clients[Role.OFFICER].post(f"/v1/sdrs/{identity}/transitions", content=body),
        served.clients[Role.OFFICER].post("/v1/subscriptions", content=body),
        served.clients[Role.ADMIN].post("/v1/keys", content=body),
        served.clients[Role.SITE].post("/v1/releases", content=body),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@cheap
@given(name=text, reason=text)
def test_what_is_accepted_comes_back_as_it_was(served: ServedHub, name: str, reason: str) -> None:
    made = served.clients[Role.ADMIN].post("/v1/keys", json={"name": name, "role": "regulator"})
    assert made.status_code in (201, 422)
    if made.status_code == 201:
        assert made.json()["name"] == name
    number = len(served.clients[Role.ADMIN].get("/v1/keys").json())
    for sdr in raise_all(served.store, candidate(drug=f"drug {number}")):  # none where the name was refused
        answer = served.clients[Role.OFFICER].post(
            f"/v1/sdrs/{sdr.id}/transitions", json={"to_state": "validated", "reason": reason}
        )
        assert answer.status_code in (201, 422)
        if answer.status_code == 201:
            assert answer.json()["reason"] == reason.strip()
