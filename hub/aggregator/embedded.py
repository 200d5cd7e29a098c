"""Both aggregators in one process, without network or disk: for the demo, back-tests, simulations and tests.

The same parts as the served ones. In one process nobody is kept from seeing both shares: what it shows is the
arithmetic and the noise of a secure sum, not its separation of powers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cases import ParameterError
from hub.aggregator.aggregator import Aggregator
from hub.aggregator.shelf import aggregator_store
from hub.aggregator.sum_sealer import SumSealer
from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Acceptance, Role, unpack_sharing

__all__ = ["EmbeddedAggregators"]


class EmbeddedAggregators:
    """The leader and the helper, with keys of their own drawn for the run.

    Parameters
    ----------
    protocol
        Of trust mode ``secure-sum``.
    site_keys
        Public key of every site, by site id.

    Attributes
    ----------
    public_keys
        What a hub verifies the sums with.
    """

    def __init__(self, protocol: SurveillanceProtocol, site_keys: Mapping[str, Ed25519PublicKey]) -> None:
        cohort = protocol.cohort
        if cohort is None:
            raise ParameterError(f"protocol {protocol.name} has trust mode {protocol.trust_mode}, not secure-sum")
        keys = {role: Ed25519PrivateKey.generate() for role in Role}
        self.public_keys = {role: key.public_key() for role, key in keys.items()}
        self._stores = {role: aggregator_store("sqlite://") for role in Role}
        self._ledgers = {role: BudgetLedger(None) for role in Role}
        peers = {Role.LEADER: Role.HELPER, Role.HELPER: Role.LEADER}
        self._aggregators = {
            role: Aggregator(
                role=role, protocol=protocol, cohort=cohort, site_keys=site_keys, key=keys[role],
                peer_key=self.public_keys[peers[role]], store=self._stores[role],
            )
            for role in Role
        }  # fmt: skip
        self._sealers = {
            role: SumSealer(
                role=role, protocol=protocol, key=keys[role], store=self._stores[role], ledger=self._ledgers[role]
            )
            for role in Role
        }

    def sum_epoch(self, epoch: int, payloads: Iterable[bytes], *, at: datetime) -> list[bytes]:
        """Take the sites' sealed shares of an epoch in, agree on them, and give both messages to the hub.

        Epochs go in order. Empty where too few sites are in: what they hold belongs to the next epoch with enough.
        """
        for payload in payloads:
            for role, message in unpack_sharing(payload).items():
                self._aggregators[role].receive(message, at=at)
        leader, helper = self._aggregators[Role.LEADER], self._aggregators[Role.HELPER]
        accepted, signature = leader.propose(epoch, helper.holdings(epoch))
        leader.adopt(helper.agree(accepted, signature, at=at), at=at)
        messages = []
        for sealer in self._sealers.values():
            sealer.seal_due()
            for sealed in sealer.pending():
                messages.append(sealed.payload)
                sealer.acknowledge(sealed.epoch)
        return messages

    def acceptance(self, epoch: int, /) -> Acceptance | None:
        """Which sites are in an epoch; None before it is agreed on."""
        return self._aggregators[Role.LEADER].acceptance(epoch)

    def remind(self, agreed: Acceptance, /) -> None:
        """Show both what they agreed on."""
        at = self._aggregators[Role.LEADER].protocol.calendar.closes_at(agreed.accepted.epoch)
        for aggregator in self._aggregators.values():
            aggregator.heed(agreed, at=at)

    def close(self) -> None:
        """Give everything up."""
        for store in self._stores.values():
            store.close()
        for ledger in self._ledgers.values():
            ledger.close()
