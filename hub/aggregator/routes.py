"""An aggregator's interface: shares of sites in pieces, agreements of the peer, what was agreed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from hub.aggregator.links import Proposal
from hub.aggregator.service import AggregatorService
from hub.aggregator.share_uploads import CHUNK_LIMIT_BYTES, WrongOffsetError
from hub.api.problems import ProblemError, problem
from hub.api.releases import read_limited
from privacy.secure_sum import (
    SIGNATURE_HEADER,
    SITE_HEADER,
    Acceptance,
    Introduction,
    Role,
    ShareError,
    ShareFault,
    ShareReceipt,
    peek_share,
    verify_request,
)

__all__ = [
    "Service",
    "get_epoch",
    "get_holdings",
    "get_introduction",
    "get_share",
    "post_agreement",
    "post_heed",
    "put_share",
    "router",
    "service_of",
]

_DOCUMENT_LIMIT_BYTES = 4 << 20  # a set of ten thousand sites is smaller

_T = TypeVar("_T")

router = APIRouter(prefix="/v1")


def service_of(request: Request) -> AggregatorService:
    """The service behind the application a request came to."""
    service = request.app.state.service
    assert isinstance(service, AggregatorService)  # noqa: S101  set by create_aggregator_app
    return service


Service = Annotated[AggregatorService, Depends(service_of)]


@router.get("/shares/{site}/{epoch}")
async def get_share(request: Request, site: str, epoch: int, service: Service) -> Response:
    """How many bytes of a share are here, and its receipt where all are and the epoch is not agreed on yet."""

    def look() -> Response:
        _check_site(service, request, site, epoch, b"")
        return _state(service.uploads.offset(site, epoch), service.aggregator.receipt(site, epoch))

    return await run_in_threadpool(_counted, service, look)


@router.put("/shares/{site}/{epoch}")
async def put_share(
    request: Request,
    site: str,
    epoch: int,
    offset: Annotated[int, Query(ge=0)],
    total: Annotated[int, Query(ge=1)],
    service: Service,
) -> Response:
    """Take in the piece of a share that begins at `offset`; the last is answered with the receipt."""
    chunk = await read_limited(request, limit=CHUNK_LIMIT_BYTES)
    if chunk is None:
        raise ProblemError(413, "length", f"a piece has at most {CHUNK_LIMIT_BYTES} bytes")

    def take() -> Response:
        _check_site(service, request, site, epoch, chunk)
        agreed = service.aggregator.acceptance(epoch)
        if agreed is not None and site not in agreed.accepted.sites:
            raise ShareError(ShareFault.CLOSED, f"epoch {epoch} is agreed on without this site")
        if offset + len(chunk) < total:
            service.uploads.put(site, epoch, chunk, offset=offset, total=total)
            return _state(offset + len(chunk), None)
        with service.receiving:
            data = service.uploads.put(site, epoch, chunk, offset=offset, total=total)
            assert data is not None  # noqa: S101  it is the last piece
            try:
                if peek_share(data) != (site, epoch):
                    raise ShareError(ShareFault.MALFORMED, "the message is of another site or epoch than its address")
                receipt = service.aggregator.receive(data, at=service.clock())
            except ShareError:
                service.uploads.drop(site, epoch)
                raise
            service.uploads.drop(site, epoch)
        service.metrics.shares.inc()
        return _state(total, receipt)

    try:
        return await run_in_threadpool(_counted, service, take)
    except WrongOffsetError as error:
        return problem(409, "offset", str(error), offset=error.offset)


@router.get("/epochs/{epoch}")
def get_epoch(epoch: int, service: Service) -> Response:
    """Who is in an epoch, signed by both aggregators; 404 before it is agreed on."""
    agreed = service.aggregator.acceptance(epoch) if _is_epoch(service, epoch) else None
    if agreed is None:
        raise ProblemError(404, "not-found", "this epoch is not agreed on")
    return _json(agreed)


@router.get("/introduction")
def get_introduction(service: Service) -> Response:
    """Who this is, under which protocol, and what its clock shows: for the doctors of the others."""
    aggregator = service.aggregator
    return _json(
        Introduction(
            role=aggregator.role,
            public_key=aggregator.public_key.public_bytes_raw().hex(),
            protocol_hash=aggregator.protocol.hash,
            era=aggregator.protocol.era,
            now=service.clock(),
        )
    )


@router.post("/heed")
async def post_heed(request: Request, service: Service) -> Response:
    """Be told what both aggregators signed; says whether it is settled here. Who tells it does not matter."""
    agreed = await _body(request, Acceptance)
    is_settled = await run_in_threadpool(_counted, service, lambda: service.runner.heed(agreed))
    return _json({"is_settled": is_settled})


@router.get("/holdings/{epoch}")
def get_holdings(request: Request, epoch: int, service: Service) -> Response:
    """The sharing of each site that is held for an epoch; for the peer, whose key has signed the request."""

    def look() -> Response:
        _verify(service.peer_key, request, b"")
        return _json(service.aggregator.holdings(epoch) if _is_epoch(service, epoch) else {})

    return _counted(service, look)


@router.post("/agreements")
async def post_agreement(request: Request, service: Service) -> Response:
    """The helper's answer to a proposal of the leader, whose signature it carries."""
    if service.aggregator.role is not Role.HELPER:
        raise ProblemError(404, "not-found", "proposals go to the helper")
    proposal = await _body(request, Proposal)

    def agree() -> Response:
        service.runner.require_clearance()
        return _json(service.aggregator.agree(proposal.accepted, proposal.leader, at=service.clock()))

    return await run_in_threadpool(_counted, service, agree)


def _check_site(service: AggregatorService, request: Request, site: str, epoch: int, body: bytes) -> None:
    """Raise `ShareError` unless the request is signed by the registered site it is about."""
    caller = request.headers.get(SITE_HEADER, "")
    if caller not in service.site_keys:
        raise ShareError(ShareFault.UNKNOWN_SITE, "no key is registered for this site")
    if caller != site:
        raise ShareError(ShareFault.SIGNATURE, "a site speaks for itself alone")
    _verify(service.site_keys[site], request, body)
    if not _is_epoch(service, epoch):
        raise ShareError(ShareFault.EPOCH, "epoch lies outside the calendar")


def _verify(key: Ed25519PublicKey, request: Request, body: bytes) -> None:
    target = request.scope["raw_path"].decode("latin-1")
    if request.scope["query_string"]:
        target += "?" + request.scope["query_string"].decode("latin-1")
    verify_request(key, request.headers.get(SIGNATURE_HEADER, ""), request.method, target, body)


def _is_epoch(service: AggregatorService, epoch: int) -> bool:
    return 0 <= epoch < service.aggregator.protocol.calendar.count


def _counted(service: AggregatorService, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except ShareError as error:
        service.metrics.refusals.labels(str(error.reason)).inc()
        raise


async def _body(request: Request, kind: type[_T]) -> _T:
    data = await read_limited(request, limit=_DOCUMENT_LIMIT_BYTES)
    if data is None:
        raise ProblemError(413, "oversized", f"a document has at most {_DOCUMENT_LIMIT_BYTES} bytes here")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        raise ShareError(ShareFault.MALFORMED, "not such a document") from None


def _state(offset: int, receipt: ShareReceipt | None) -> Response:
    return _json({"offset": offset, "receipt": receipt})


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
