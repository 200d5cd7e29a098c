"""The real release code of a secure sum, as the hub sees it: one sum, the fewest honest sites adding their noise."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.audit.canary import Canary
from privacy.audit.release_path import History, RandomBytes, ReleasePath, Tables
from privacy.cohort import Cohort
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.release import table_lengths
from privacy.secure_sum import Role, encode_sum, open_share, share_epoch
from privacy.secure_sum.additive_share import Words, join_shares
from privacy.trust_mode import add_noise

__all__ = ["SecureSumPath"]

_NOTHING = EpochVector.of({})


class SecureSumPath(ReleasePath):
    """Trust mode ``secure-sum`` with the minimum cohort, at the edge of what it promises.

    The canary is at one of the sites, which is honest; of the others as many are as are relied upon, and the rest add
    no noise at all. Encoding goes through shares of the increments of all sites and both aggregators' `encode_sum`.

    Parameters are those of `ReleasePath`; the protocol needs a cohort.
    """

    name = "secure-sum"

    def __init__(
        self, protocol: SurveillanceProtocol, *, epochs: int, patients: int, canary: Canary | None = None
    ) -> None:
        super().__init__(protocol, epochs=epochs, patients=patients, canary=canary)
        cohort = self.protocol.cohort
        if cohort is None:
            raise ParameterError("the audit of a secure sum needs minimum_cohort and honest_fraction")
        self.cohort: Cohort = cohort
        self.noisy_sites = cohort.honest

    def encode(self, epoch: int, history: History) -> Tables:
        """Exact W of the sum, through shares: no site adds noise here."""
        silent = [_no_noise(self.protocol)] * self.cohort.minimum
        return self._summed(epoch, history, silent, np.random.default_rng(epoch).bytes)

    def protect(self, tables: Tables, random_bytes: RandomBytes) -> None:
        """Add the noise of each honest site in turn."""
        for _ in range(self.noisy_sites):
            add_noise(tables, self._site_sigma, random_bytes=random_bytes)

    def publish_messages(self, epoch: int, history: History, random_bytes: RandomBytes) -> Tables:
        """One run of an epoch: noise into every honest site's shares, all messages sealed, opened and summed."""
        noise = [_no_noise(self.protocol) for _ in range(self.cohort.minimum)]
        for own in noise[: self.noisy_sites]:
            add_noise(own, self._site_sigma, random_bytes=random_bytes)
        return self._summed(epoch, history, noise, np.random.default_rng(epoch).bytes)

    @property
    def _site_sigma(self) -> dict[str, int]:
        return {name: self.cohort.site_sigma(table.sigma) for name, table in self.spec.tables.items()}

    def _summed(self, epoch: int, history: History, noise: list[Tables], random_bytes: RandomBytes) -> Tables:
        """What both aggregators open together, from the messages of all sites; `random_bytes` draws their seeds."""
        contents: dict[Role, dict[int, Words]] = {role: {} for role in Role}
        masks: dict[Role, Words] = {}
        for past in (each for each in self.epochs if each <= epoch):
            for role, (content, mask) in self._sums(past, history, noise, random_bytes).items():
                contents[role][past], masks[role] = content, mask  # the last epoch's noise counts
        coefficients = dict(enumerate(self.spec.factorisation.row(epoch).tolist()))
        shares = [encode_sum(coefficients, contents[role].items(), masks[role]) for role in Role]
        return self.protocol.layout.split(join_shares(*shares))

    def _sums(
        self, epoch: int, history: History, noise: list[Tables], random_bytes: RandomBytes
    ) -> dict[Role, tuple[Words, Words]]:
        """By aggregator, its shares of all sites' increments and noise of one epoch, added up."""
        length = self.protocol.layout.length
        sums = {role: (np.zeros(length, np.uint64), np.zeros(length, np.uint64)) for role in Role}
        for site, own in enumerate(noise):
            key = Ed25519PrivateKey.from_private_bytes(site.to_bytes(32, "big"))
            messages = share_epoch(
                site=f"site-{site}", protocol=self.protocol, epoch=epoch, noise=own, key=key,
                increment=history.get(epoch, _NOTHING) if site == 0 else _NOTHING, random_bytes=random_bytes,
            )  # fmt: skip
            for role, message in messages.items():
                share = open_share(message, public_key=key.public_key(), protocol=self.protocol, role=role)
                content, mask = sums[role]
                content += share.content
                mask += share.noise
        return sums


def _no_noise(protocol: SurveillanceProtocol) -> dict[str, NDArray[np.int64]]:
    return {name: np.zeros(length, dtype=np.int64) for name, length in table_lengths(protocol).items()}
