"""Where a site's sealed shares go under secure sum: each message to its aggregator, and their word on who was in."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases import KelseyError, ServiceError
from privacy.secure_sum import Acceptance, Introduction, Role, ShareError
from privacy.secure_sum.site_share import epoch_of, unpack_sharing
from streams.aggregator_client import AggregatorClient
from streams.release_sink import AcceptanceSource, ReleaseSink

__all__ = ["AggregatorPair"]

_log = logging.getLogger("kelsey.gate")


class AggregatorPair(ReleaseSink, AcceptanceSource):
    """The leader and the helper as one sink, which has a message only when both have theirs.

    Parameters
    ----------
    site_id
        The site's own.
    clients
        The link to each aggregator.
    public_keys
        With what accepted sets are verified.
    """

    def __init__(
        self, site_id: str, clients: Mapping[Role, AggregatorClient], public_keys: Mapping[Role, Ed25519PublicKey]
    ) -> None:
        self._site_id = site_id
        self._clients = dict(clients)
        self._keys = dict(public_keys)

    def send(self, line: bytes, /) -> None:
        """Upload what an aggregator lacks; the other is tried too where one fails."""
        failures: list[KelseyError] = []
        for role, message in unpack_sharing(line).items():
            try:
                epoch = epoch_of(message)
                agreed = self._agreed(role, epoch)
                if agreed is None or self._site_id in agreed.accepted.sites:
                    self._clients[role].upload(epoch, message)
            except KelseyError as error:
                failures.append(error)
        if failures:  # one that a later try can mend is said first: the other will be said then
            raise min(failures, key=lambda error: not error.retryable)

    def acceptance(self, epoch: int, /) -> Acceptance | None:
        """The set of an epoch, from whichever aggregator has it; the other is shown it, should it have forgotten."""
        found: dict[Role, Acceptance | None] = {}
        failure: ServiceError | None = None
        for role in Role:
            try:
                found[role] = self._agreed(role, epoch)
            except ServiceError as error:
                failure = error
        known = next((agreed for agreed in found.values() if agreed is not None), None)
        if known is None:
            if failure is not None:
                raise failure
            return None
        for role, agreed in found.items():
            if agreed is None:
                self._clients[role].heed(known)
        return known

    def remind(self, agreed: Acceptance, /) -> None:
        """Show it to an aggregator that does not know it; say so where one knows another."""
        epoch = agreed.accepted.epoch
        for role, client in self._clients.items():
            known = self._agreed(role, epoch)
            if known is None:
                client.heed(agreed)
            elif known.accepted != agreed.accepted:
                _log.error("the %s has agreed on epoch %d a second time, with other sites", role, epoch)

    def has_share_of(self, epoch: int) -> bool:
        """Whether an aggregator holds, or has counted, a share of this site; raises `ServiceError` where one is silent.

        Also `ReleaseRejected` where it does not know the site.
        """
        for role, client in self._clients.items():
            agreed = self._agreed(role, epoch)
            if client.is_held(epoch) or (agreed is not None and self._site_id in agreed.accepted.sites):
                return True
        return False

    def probe(self, role: Role) -> Introduction:
        """Ask one aggregator for a share of this site, and who it is; raises what `upload` raises."""
        self._clients[role].is_held(0)
        return self._clients[role].introduction()

    def public_key(self, role: Role) -> Ed25519PublicKey:
        """With what the words of an aggregator are verified here."""
        return self._keys[role]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    def _agreed(self, role: Role, epoch: int) -> Acceptance | None:
        """What an aggregator says is agreed on; raises `ServiceError` where it is not signed by both."""
        agreed = self._clients[role].acceptance(epoch)
        if agreed is None:
            return None
        try:
            accepted = agreed.verify(self._keys[Role.LEADER], self._keys[Role.HELPER])
        except ShareError as error:
            raise ServiceError(f"the {role} shows an accepted set that is not signed by both") from error
        if accepted.epoch != epoch:
            raise ServiceError(f"the {role} shows the accepted set of another epoch")
        return agreed
