"""A whole hub in one process, without network: for the demo, back-tests and tests. The same parts as the served one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cases import ParameterError
from hub.evaluation import EpochView, Evaluator
from hub.intake import Receipt, ReleaseIntake
from hub.release_shelf import ReleaseShelf
from hub.signals import SignalBook
from hub.store import HubStore
from hub.sum_intake import SumIntake, SumReceipt
from privacy.protocol import SurveillanceProtocol
from privacy.secure_sum import Role

__all__ = ["EmbeddedHub"]


class EmbeddedHub:
    """Takes signed lines in, evaluates epochs, holds SDRs; noisy vectors stay in memory for speed.

    Parameters
    ----------
    protocol
        Agreed by sites and hub.
    site_keys
        Public key of every site, by site id.
    aggregator_keys
        Public key of both aggregators; for a protocol of trust mode ``secure-sum``, and only then.
    database_url
        By default a database in memory, which ends with the object; a file can be served afterwards.

    Attributes
    ----------
    store, signals
        The database, and the book of SDRs in it.
    """

    def __init__(
        self,
        *,
        protocol: SurveillanceProtocol,
        site_keys: Mapping[str, Ed25519PublicKey],
        aggregator_keys: Mapping[Role, Ed25519PublicKey] | None = None,
        database_url: str = "sqlite://",
    ) -> None:
        shelf = ReleaseShelf(is_cached=True)
        self.store = HubStore(database_url)
        self.signals = SignalBook(self.store)
        self._intake = ReleaseIntake(self.store, protocol, site_keys, shelf=shelf)
        self._sums = None if aggregator_keys is None else SumIntake(self.store, protocol, aggregator_keys, shelf=shelf)
        self._evaluator = Evaluator(self.store, protocol, shelf=shelf)

    def submit(self, line: bytes, at: datetime) -> Receipt:
        """Take one signed line in; raises `ReleaseRefused`."""
        return self._intake.accept(line, received_at=at)

    def submit_sum(self, message: bytes, at: datetime) -> SumReceipt:
        """Take one aggregator's share of a sum in; raises `ShareError`, or `ParameterError` where there are none."""
        if self._sums is None:
            raise ParameterError("this hub's protocol forms no sums")
        return self._sums.accept(message, received_at=at)

    def evaluate(self, epoch: int, at: datetime) -> EpochView:
        """Look at everything released up to `epoch`; raises `ParameterError` where nothing was."""
        return self._evaluator.evaluate(epoch, at=at)

    def close(self) -> None:
        """Give the database back."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
