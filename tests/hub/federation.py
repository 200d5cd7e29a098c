"""Sites as the hub meets them: real mechanism, real signatures, made-up counts, seeded noise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.calendar import EpochCalendar
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.release import Release, seal_release
from privacy.release_spec import ReleaseSpec
from privacy.trust_mode import PerSite

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEIGHT_ONE = 256


def make_protocol(*, drugs: int = 6, reactions: int = 8, epochs: int = 12, **fields: Any) -> SurveillanceProtocol:
    """A protocol with made-up names; `fields` replace any other field."""
    values: dict[str, Any] = {
        "name": "example",
        "version": "1",
        "era": "2026",
        "vocabulary": "example@1",
        "drugs": tuple(f"drug {number}" for number in range(drugs)),
        "reactions": tuple(f"reaction {number}" for number in range(reactions)),
        "calendar": EpochCalendar("month", date(2026, 1, 1), epochs),
        "epsilon": 3.0,
        "delta": 1e-6,
        "rules": ("noise-aware-z", "evans", "ema", "umc"),
    }
    return SurveillanceProtocol(**(values | fields))


class PlayedSite:
    """One site: remembers what it sent, as its gate does."""

    def __init__(self, name: str, protocol: SurveillanceProtocol, seed: int) -> None:
        self.name = name
        self.key = Ed25519PrivateKey.from_private_bytes(np.random.default_rng(seed).bytes(32))
        self._protocol = protocol
        self._spec = ReleaseSpec.of(protocol)
        self._random = np.random.default_rng(seed + 1000)
        self._history: dict[int, EpochVector] = {}
        self._sequence = 0

    def release(self, epoch: int, counts: Mapping[int, int] | np.ndarray[Any, Any] | None = None) -> bytes:
        """The signed line of the next release: `counts` new patients by cell, with that one pair each."""
        if isinstance(counts, np.ndarray):
            counts = {int(cell): int(counts.ravel()[cell]) for cell in np.flatnonzero(counts)}
        layout = self._protocol.layout
        weights = [
            (place, number * WEIGHT_ONE)
            for cell, number in (counts or {}).items()
            for place in (*layout.positions([cell]), layout.drug(cell), layout.reaction(cell))
        ]
        self._history[epoch] = EpochVector.sum(weights)
        tables = PerSite().protect(self._spec, epoch, self._history, random_bytes=self._random.bytes)
        line = self.seal(epoch=epoch, sequence=self._sequence, tables=tables)
        self._sequence += 1
        return line

    def seal(self, **fields: Any) -> bytes:
        """A signed line with any content; what is left out is right."""
        values: dict[str, Any] = {
            "site": self.name,
            "protocol_hash": self._protocol.hash,
            "era": self._protocol.era,
            "epoch": 0,
            "sequence": 0,
            "tables": {name: np.zeros(table.length, dtype=np.int64) for name, table in self._spec.tables.items()},
        }
        return seal_release(Release(**(values | fields)), self.key)


class Federation:
    """Sites under one protocol."""

    def __init__(
        self, protocol: SurveillanceProtocol | None = None, names: tuple[str, ...] = ("north", "south", "west")
    ) -> None:
        self.protocol = make_protocol() if protocol is None else protocol
        self.sites = {name: PlayedSite(name, self.protocol, seed) for seed, name in enumerate(names)}

    @property
    def site_keys(self) -> dict[str, Ed25519PublicKey]:
        """Public keys, as the hub has them registered."""
        return {name: site.key.public_key() for name, site in self.sites.items()}

    def release_all(self, epoch: int, counts: Mapping[int, int] | None = None) -> list[bytes]:
        """One line of each site, the same counts each."""
        return [site.release(epoch, counts) for site in self.sites.values()]


def under(protocol: SurveillanceProtocol, **fields: Any) -> SurveillanceProtocol:
    """The protocol with some fields replaced."""
    return msgspec.structs.replace(protocol, **fields)
