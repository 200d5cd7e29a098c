"""Who adds the noise: the seam between what a site holds and what may leave it.

`PerSite` stands here beside the protocol it implements, as it is the only mode so far.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.epoch_vector import EpochVector
from privacy.gaussian import DiscreteGaussian
from privacy.release_spec import ReleaseSpec

__all__ = ["PerSite", "TrustMode", "add_noise", "encode_tables", "find_trust_mode"]

_LIMIT = 1 << 62


class TrustMode(Protocol):
    """Turns the exact history of a site into what it sends for one epoch.

    The gate calls `protect` once for an epoch, after the ledger has reserved it, and seals the result; it never calls
    it again for a sealed epoch. The caller guarantees that the vectors of earlier epochs are the ones that were
    released then (the ledger holds their digests), and that operations obey the wallet's rules R1 and R2.
    """

    name: ClassVar[str]

    def protect(
        self,
        spec: ReleaseSpec,
        epoch: int,
        history: Mapping[int, EpochVector | Mapping[int, int]],
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> dict[str, NDArray[np.int64]]:
        """Encoded, protected tables of `epoch`: ``pair``, ``drug``, ``reaction``, int64, in lattice units.

        Parameters
        ----------
        history
            Net weights by coordinate (`TableLayout`) of every epoch up to `epoch`; an epoch without operations may be
            absent. One that was never released must be: its operations belong to the next that was (the hub decodes
            with that).
        random_bytes
            Source of the noise; anything but the operating system's is for tests.

        Raises
        ------
        ParameterError
            `epoch` or a cell lies outside the spec, `history` holds a later epoch, or its weights are so large that a
            sum could leave 63 bits. Nothing has been drawn then.
        """
        ...


class PerSite(TrustMode):
    r"""Every site adds the whole noise: trusts nobody, and the noise of the sum grows with the root of the sites.

    :math:`W_t = \sum_{s \le t} C_{ts} X_s + Z_t` in every table. Sound for a few large sites or a pilot.
    """

    name: ClassVar[str] = "per-site"

    def protect(
        self,
        spec: ReleaseSpec,
        epoch: int,
        history: Mapping[int, EpochVector | Mapping[int, int]],
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> dict[str, NDArray[np.int64]]:
        """See `TrustMode.protect`; 60,000 cells and 100 full epochs take about 20 ms beside the noise."""
        encoded = encode_tables(spec, epoch, history)
        add_noise(encoded, {name: table.sigma for name, table in spec.tables.items()}, random_bytes=random_bytes)
        return encoded


def find_trust_mode(name: str) -> TrustMode:
    """The trust mode a protocol names; raises `ParameterError` for an unknown one."""
    for mode in (PerSite(),):
        if mode.name == name:
            return mode
    raise ParameterError(f"trust mode must be one of per-site, not {name!r}")


def encode_tables(
    spec: ReleaseSpec, epoch: int, history: Mapping[int, EpochVector | Mapping[int, int]]
) -> dict[str, NDArray[np.int64]]:
    """Row `epoch` of C X by table, exact: never to leave a site. Arguments and errors are those of `protect`."""
    ends = np.cumsum([table.length for table in spec.tables.values()])
    parts = np.split(_encode(spec, epoch, history, int(ends[-1])), ends[:-1])
    return dict(zip(spec.tables, parts, strict=True))


def add_noise(
    tables: Mapping[str, NDArray[np.int64]], sigma: Mapping[str, int], *, random_bytes: Callable[[int], bytes]
) -> None:
    """Add a fresh draw to every value, in place, table after table.

    Parameters
    ----------
    tables
        int64, of any shape: the audit adds many independent draws to copies of one release at once.
    sigma
        Of each table, in lattice units.
    """
    for name, values in tables.items():
        draws = DiscreteGaussian(sigma[name]).sample(values.size, random_bytes=random_bytes)
        values += draws.reshape(values.shape)


def _encode(
    spec: ReleaseSpec, epoch: int, history: Mapping[int, EpochVector | Mapping[int, int]], length: int
) -> NDArray[np.int64]:
    """Row `epoch` of C X, dense over all coordinates, exact."""
    row = spec.factorisation.row(epoch)
    vectors: list[tuple[int, EpochVector]] = []
    mass = 0
    for past, weights in history.items():
        if not 0 <= past <= epoch:
            raise ParameterError(f"history of epoch {epoch} must not hold epoch {past}")
        vector = weights if isinstance(weights, EpochVector) else EpochVector.of(weights)
        if vector.cells.size:
            if not vector.cells[-1] < length:
                raise ParameterError(f"cell must lie in [0, {length - 1}], not {int(vector.cells[-1])}")
            mass += int(np.abs(vector.weights).sum(dtype=np.float64)) + 1
            vectors.append((int(row[past]), vector))
    noise = max(DiscreteGaussian(table.sigma).limit for table in spec.tables.values())
    if not mass * spec.factorisation.largest_coefficient + noise < _LIMIT:
        raise ParameterError("the history's weights are so large that a sum could leave 63 bits")
    total = np.zeros(length, dtype=np.int64)
    for coefficient, vector in vectors:
        total[vector.cells] += coefficient * vector.weights  # cells of one vector are distinct
    return total
