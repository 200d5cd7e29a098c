"""Small strategy matrices of every kind, for the tests of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from privacy.buffered_toeplitz import BufferedToeplitzFactorisation
from privacy.chosen_strategy import built_in_artefact
from privacy.dense_factorisation import DenseFactorisation
from privacy.factorisation import SquareRootFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.optimal_strategy import optimal_strategy
from privacy.protocol import SurveillanceProtocol
from privacy.strategy_matrix import StrategyMatrix
from privacy.workload import Workload
from tests.privacy.examples import protocol

EPOCHS = 24
WORKLOAD = Workload(objective="worst", read_epochs=(5, 11, 17, 23), emphasis=1.45)
_BEST = optimal_strategy(WORKLOAD.by_epoch(EPOCHS), objective="worst", tolerance=1e-3)

DENSE = DenseFactorisation.project(_BEST.matrix, 12)
BUFFERED = BufferedToeplitzFactorisation(EPOCHS, 12, ((1 << 30, 1 << 31), (1 << 29, 4_000_000_000)))
ROOT = SquareRootFactorisation(EPOCHS, 8)

BY_NAME: dict[str, StrategyMatrix] = {"square-root": ROOT, "buffered-toeplitz": BUFFERED, "dense": DENSE}
ARTEFACTS = {
    "buffered-toeplitz": FactorisationArtefact.of(BUFFERED, Workload(objective="mean-square")),
    "dense": FactorisationArtefact.of(DENSE, WORKLOAD, bound=_BEST.step.bound),
}


def in_full(strategy: StrategyMatrix) -> NDArray[np.int64]:
    """C, from its rows."""
    out = np.zeros((strategy.epochs, strategy.epochs), dtype=np.int64)
    for t in range(strategy.epochs):
        out[t, : t + 1] = strategy.row(t)
    return out


def counting_with(name: str, **fields: Any) -> SurveillanceProtocol:
    """A protocol bound to one of `ARTEFACTS` or to a built-in artefact."""
    artefact = ARTEFACTS[name] if name in ARTEFACTS else built_in_artefact(name)
    values = {"epochs": artefact.epochs, "coefficient_bits": artefact.coefficient_bits} | fields
    return protocol(factorisation=artefact.hash, **values).bind(artefact)
