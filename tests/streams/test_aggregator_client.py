"""A site's side of the link: an aggregator that lies, forgets or answers nonsense is not believed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import ServiceError
from privacy.secure_sum import Acceptance, AcceptedSet, Role, ShareFault, ShareReceipt, pack_sharing
from privacy.secure_sum.framing import digest_of
from streams.aggregator_client import AggregatorClient
from streams.aggregator_pair import AggregatorPair
from streams.release_sink import ReleaseRejected
from tests.hub.aggregator_pair import PROTOCOL, seal_exactly
from tests.hub.secure_sum import PUBLIC, ROLE_KEYS, SITE_KEYS, reason

MESSAGES = seal_exactly("north", 1, {0: 256})
Answer = tuple[int, Any]


class FakeAggregator(httpx.BaseTransport):
    """Takes uploads like the real one; what a test gives to `says` it says instead."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.held = b""
        self.agreed: Acceptance | None = None
        self.shown: list[Acceptance] = []
        self.asked: list[str] = []
        self.says: Callable[[str, str], Answer | None] = lambda _method, _path: None

    def receipt(self, **changes: Any) -> ShareReceipt:
        fields = {"role": self.role, "site": "north", "era": PROTOCOL.era, "epoch": 1, "digest": digest_of(self.held)}
        return ShareReceipt(**{**fields, **changes}).sign(ROLE_KEYS[self.role])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.asked.append(f"{request.method} {path}")
        status, answer = self.says(request.method, path) or self._answer(request, path, body)
        return httpx.Response(status, content=answer if isinstance(answer, bytes) else msgspec.json.encode(answer))

    def _answer(self, request: httpx.Request, path: str, body: bytes) -> Answer:
        message = MESSAGES[self.role]
        if path.startswith("/v1/epochs/"):
            return (404, {"code": "not-found"}) if self.agreed is None else (200, self.agreed)
        if path == "/v1/heed":
            self.shown.append(msgspec.json.decode(body, type=Acceptance))
            return 200, {"is_settled": False}
        if request.method == "PUT":
            assert int(request.url.params["offset"]) == len(self.held)
            self.held += body
        is_whole = len(self.held) == len(message)
        return 200, {"offset": 0 if is_whole else len(self.held), "receipt": self.receipt() if is_whole else None}


def accepted(*sites: str, epoch: int = 1, helper: Ed25519PrivateKey | None = None) -> Acceptance:
    chosen = AcceptedSet(
        protocol_hash=PROTOCOL.hash, era=PROTOCOL.era, epoch=epoch, members=tuple((site, "0" * 64) for site in sites),
        is_opened=len(sites) > 1,
    )  # fmt: skip
    other = helper or ROLE_KEYS[Role.HELPER]
    return Acceptance(accepted=chosen, leader=chosen.sign(ROLE_KEYS[Role.LEADER]), helper=chosen.sign(other))


class Link:
    """Both fakes, and what a site calls them with."""

    def __init__(self) -> None:
        self.fakes = {role: FakeAggregator(role) for role in Role}
        self.clients = {
            role: AggregatorClient(
                "https://aggregator.example", role=role, public_key=PUBLIC[role], site_id="north",
                signing_key=SITE_KEYS["north"], protocol=PROTOCOL, tls=ssl.create_default_context(), transport=fake,
            )
            for role, fake in self.fakes.items()
        }  # fmt: skip
        self.pair = AggregatorPair("north", self.clients, PUBLIC)
        self.leader = self.fakes[Role.LEADER]

    def upload(self) -> None:
        self.clients[Role.LEADER].upload(1, MESSAGES[Role.LEADER])


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link()
    with ExitStack() as stack:
        stack.callback(link.pair.close)
        yield link


def test_both_get_their_message_and_what_they_hold_is_not_sent_again(link: Link) -> None:
    line = pack_sharing(MESSAGES)
    link.pair.send(line)
    assert {role: fake.held for role, fake in link.fakes.items()} == MESSAGES
    for fake in link.fakes.values():
        fake.asked.clear()
    link.pair.send(line)
    assert link.leader.asked == ["GET /v1/epochs/1", "GET /v1/shares/north/1"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"role": Role.HELPER}, ShareFault.DISAGREEMENT),
        ({"site": "south"}, ShareFault.DISAGREEMENT),
        ({"era": "2025"}, ShareFault.DISAGREEMENT),
        ({"epoch": 2}, ShareFault.DISAGREEMENT),
        ({"digest": "0" * 64}, ShareFault.DIGEST),
    ],
)
def test_a_receipt_for_something_else_is_none(link: Link, changes: dict[str, Any], fault: ShareFault) -> None:
    link.leader.says = lambda _method, _path: (200, {"offset": 0, "receipt": link.leader.receipt(**changes)})
    link.leader.held = MESSAGES[Role.LEADER]
    assert reason(link.upload) == fault


def test_a_receipt_with_another_signature_is_none(link: Link) -> None:
    link.leader.held = MESSAGES[Role.LEADER]
    forged = msgspec.structs.replace(link.leader.receipt(), signature=bytes(64))
    link.leader.says = lambda _method, _path: (200, {"offset": 0, "receipt": forged})
    assert reason(link.upload) == ShareFault.SIGNATURE


def test_a_set_that_both_did_not_sign_or_of_another_epoch_proves_nothing(link: Link) -> None:
    for shown, said in (
        (accepted("south", "west", helper=SITE_KEYS["west"]), "not signed by both"),
        (accepted("south", "west", epoch=0), "of another epoch"),
    ):
        link.leader.agreed = shown
        with pytest.raises(ServiceError, match=said):
            link.pair.acceptance(1)
        with pytest.raises(ServiceError, match=said):
            link.pair.send(pack_sharing(MESSAGES))
    assert link.leader.held == b""
    assert link.fakes[Role.HELPER].held == MESSAGES[Role.HELPER]  # whatever the other one says


def test_a_set_is_passed_on_to_the_one_that_has_forgotten_it(link: Link) -> None:
    known = accepted("north", "south")
    assert link.pair.acceptance(1) is None
    link.fakes[Role.HELPER].agreed = known
    assert link.pair.acceptance(1) == known
    assert link.leader.shown == [known]
    link.leader.says = lambda _method, _path: (503, {"code": "service"})
    assert link.pair.acceptance(1) == known  # one of them is enough
    link.fakes[Role.HELPER].agreed = None
    with pytest.raises(ServiceError, match="the leader answered 503"):
        link.pair.acceptance(1)


def test_a_second_set_for_an_epoch_is_said(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    first, second = accepted("north", "south"), accepted("south", "west")
    link.pair.remind(first)
    assert [fake.shown for fake in link.fakes.values()] == [[first], [first]]
    link.leader.agreed = first
    link.fakes[Role.HELPER].agreed = second
    link.pair.remind(first)
    assert [record.getMessage() for record in caplog.records] == [
        "the helper has agreed on epoch 1 a second time, with other sites"
    ]


def test_an_epoch_that_went_on_without_the_site_gets_nothing_of_it(link: Link) -> None:
    for fake in link.fakes.values():
        fake.agreed = accepted("south", "west")
    link.pair.send(pack_sharing(MESSAGES))
    assert [fake.held for fake in link.fakes.values()] == [b"", b""]
    link.leader.says = lambda method, _path: (409, {"code": "closed"}) if method == "PUT" else None
    link.upload()  # agreed on between the question and the upload: the set says what becomes of it
    assert link.leader.held == b""


def test_what_a_later_try_can_help_is_told_from_what_none_will(link: Link) -> None:
    answers: list[tuple[Answer, type[Exception], str]] = [
        ((409, {"code": "equivocation"}), ReleaseRejected, "leader: equivocation"),
        ((422, b"<html>"), ReleaseRejected, "leader: HTTP 422"),
        ((422, {"code": "Jane Canary\n" * 20}), ReleaseRejected, "leader: HTTP 422"),
        ((503, {"code": "service"}), ServiceError, "the leader answered 503"),
        ((409, {"code": "offset", "offset": 0}), ServiceError, "the leader loses what is uploaded"),
        ((200, b"<html>"), ServiceError, "something else than agreed"),
    ]
    for answer, kind, said in answers:
        link.leader.says = lambda method, _path: answer if method == "PUT" else None  # noqa: B023  called at once
        with pytest.raises(kind, match=said) as caught:
            link.upload()
        assert "Canary" not in str(caught.value)
    # where both fail, what can get better is raised: the other will be said then
    link.leader.says = lambda method, _path: (409, {"code": "equivocation"}) if method == "PUT" else None
    link.fakes[Role.HELPER].says = lambda _method, _path: (503, {"code": "service"})
    with pytest.raises(ServiceError, match="the helper answered 503"):
        link.pair.send(pack_sharing(MESSAGES))


def test_whether_a_share_is_there_is_asked_of_both(link: Link) -> None:
    assert not link.pair.has_share_of(1)
    link.fakes[Role.HELPER].held = MESSAGES[Role.HELPER]
    assert link.pair.has_share_of(1)
    link.fakes[Role.HELPER].held = b""
    link.leader.agreed = accepted("north", "south")
    assert link.pair.has_share_of(1)
    link.leader.agreed = accepted("south", "west")
    assert not link.pair.has_share_of(1)
