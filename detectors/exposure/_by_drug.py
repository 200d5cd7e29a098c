"""Exposures by name as an array by drug number."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from cases import ParameterError, UnknownTermError
from detectors.pair_arrays import PairArrays

__all__ = ["exposure_by_drug"]


def exposure_by_drug(arrays: PairArrays, exposure: Mapping[str, float]) -> NDArray[np.float64]:
    """Exposure of each of ``arrays.drug_names``, NaN where none is given.

    Raises `ParameterError` for an exposure that is not above 0 and finite, and `UnknownTermError`, naming the nearest,
    for a drug that the arrays have no name for.
    """
    for drug, amount in exposure.items():
        if not 0 < amount < np.inf:
            raise ParameterError(f"the exposure of {drug!r} must be above 0 and finite, not {amount!r}")
    unknown = exposure.keys() - set(arrays.drug_names)
    if unknown:
        name = min(unknown)
        near = ", ".join(map(repr, get_close_matches(name, arrays.drug_names, n=3)))
        raise UnknownTermError(f"no report names the drug {name!r}", hint=f"the nearest are {near}" if near else "")
    return np.array([exposure.get(name, np.nan) for name in arrays.drug_names], dtype=np.float64)
