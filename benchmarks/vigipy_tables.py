"""Counts as vigipy wants them."""

from __future__ import annotations

import pandas as pd  # type: ignore[import-untyped]  # comes with vigipy, without types
from vigipy.utils.Container import DataContainer

from detectors import PairArrays

__all__ = ["vigipy_container"]


def vigipy_container(arrays: PairArrays) -> DataContainer:
    """The same counts as vigipy wants them."""
    data = pd.DataFrame(
        {
            "events": arrays.n,
            "product_aes": arrays.n_drug,
            "count_across_brands": arrays.n_reaction,
            "ae_name": arrays.reaction,
            "product_name": arrays.drug,
        }
    )
    return DataContainer(data=data, N=int(arrays.n_total[0]))
