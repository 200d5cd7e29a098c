"""Sites of a secure sum with real gates, that call served aggregators over real connections."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from privacy import BudgetLedger
from privacy.epoch_vector import EpochVector
from privacy.secure_sum import Acceptance, Role, join_shares, open_share, sharing_of, unpack_sharing
from streams.aggregator_client import AggregatorClient
from streams.aggregator_pair import AggregatorPair as Link
from streams.epoch import seal
from streams.gate import Gate
from streams.gate_store import GateStore
from tests.hub.aggregator_pair import PROTOCOL, AggregatorPair
from tests.hub.secure_sum import PUBLIC, SITE_KEYS

__all__ = ["SumSite"]


class SumSite:
    """One site: gate, ledger, links to both aggregators; what it ever counted, exactly."""

    def __init__(self, site: str, pair: AggregatorPair, folder: Path | None = None) -> None:
        tls = ssl.create_default_context(cafile=pair.authority.file)
        tls.load_cert_chain(*pair.site_files)
        clients = {
            role: AggregatorClient(
                pair.urls[role], role=role, public_key=PUBLIC[role], site_id=site, signing_key=SITE_KEYS[site],
                protocol=PROTOCOL, tls=tls,
                # servers are stopped and started between requests: none is left on a connection of theirs
                transport=httpx.HTTPTransport(verify=tls, limits=httpx.Limits(max_keepalive_connections=0)),
            )
            for role in Role
        }  # fmt: skip
        self.site = site
        self.link = Link(site, clients, PUBLIC)
        self.gate = Gate(
            site_id=site, protocol=PROTOCOL, signing_key=SITE_KEYS[site],
            store=GateStore(folder / "gate.sqlite" if folder else None),
            ledger=BudgetLedger(folder / "ledger.sqlite" if folder else None),
        )  # fmt: skip
        self.counted = EpochVector.of({})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.close()
        self.link.close()

    def count(self, epoch: int, weights: Mapping[int, int]) -> bytes:
        """What the workers sealed in an epoch is taken in, and the epoch released; gives the sealed shares."""
        part = seal(
            weights.items(), era=PROTOCOL.era, protocol_hash=PROTOCOL.hash, epoch=epoch, partition=0, store_id="one",
            sequence=epoch + 1,
        )  # fmt: skip
        self.gate.take([part])
        self.counted = EpochVector.merge([self.counted, EpochVector.of(weights)])
        payload = self.gate.release(epoch)
        assert payload is not None
        return payload

    def send(self, epoch: int, weights: Mapping[int, int]) -> None:
        """Count, and give the aggregators what they lack."""
        self.count(epoch, weights)
        self.gate.deliver(self.link)

    def in_sums(self, agreed: Mapping[int, Acceptance]) -> EpochVector:
        """What this site has in the sums of all agreed epochs together, opened with both messages at hand."""
        vectors = []
        for epoch, acceptance in agreed.items():
            payload = self.gate.release(epoch)
            assert payload is not None
            messages = unpack_sharing(payload)
            if (self.site, sharing_of(messages[Role.LEADER])) in acceptance.accepted.members:
                shares = [
                    open_share(
                        messages[role], public_key=SITE_KEYS[self.site].public_key(), protocol=PROTOCOL, role=role
                    )
                    for role in Role
                ]
                content = join_shares(shares[0].content, shares[1].content)
                vectors.append(EpochVector.of(dict(enumerate(content.tolist()))))
        return EpochVector.merge(vectors)
