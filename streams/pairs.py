"""The site's own local table, exact: all partitions merged, every measure. It never leaves the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from cases import ConfigurationError
from detectors.rules import STANDARD_RULES, load_presets
from detectors.score import score_all
from detectors.table import CountTable
from streams.casebook import Casebook
from streams.settings import SiteSettings
from streams.store import PartitionStore

__all__ = ["open_stores", "pairs_frame", "site_table", "write_pairs"]


def site_table(settings: SiteSettings) -> CountTable:
    """Counts of all partitions together, folded from the case logs in their stores; workers may run meanwhile."""
    casebook, table = Casebook(settings.protocol()), CountTable()
    for store in open_stores(settings, "casebook"):
        for _, case in store.live_cases():
            contribution = casebook.contribution(case)
            table.update(contribution.drugs, contribution.reactions, case.stratum)
    return table


def open_stores(settings: SiteSettings, role: str) -> Iterator[PartitionStore]:
    """Every store of a role that this site has on this machine, one after the other, each closed after its turn."""
    for path in sorted((settings.data_directory / "partitions").glob(f"{role}-*.sqlite")):
        store = PartitionStore(path, partition=int(path.stem.rsplit("-", 1)[1]))
        try:
            yield store
        finally:
            store.close()


def write_pairs(settings: SiteSettings, out: Path) -> int:
    """Write all pairs with counts, measures and rules as ``.parquet`` or ``.csv``; returns how many.

    Raises `ConfigurationError` for another ending, and where the site has counted nothing here.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise ConfigurationError(f"{out} must end in .parquet or .csv")
    table = site_table(settings)
    if not table.report_count:
        raise ConfigurationError(
            f"no case is counted in {settings.data_directory}", hint="run it where the workers' data_directory lies"
        )
    frame = pairs_frame(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    if out.suffix == ".parquet":
        frame.write_parquet(part)
    else:
        frame.write_csv(part)
    part.replace(out)
    return frame.height


def pairs_frame(table: CountTable) -> pl.DataFrame:
    """Names, counts, every measure, and one column a rule; sorted by drug, then reaction."""
    arrays = table.arrays()
    scores = score_all(arrays)
    flags = {name: rule.flags(scores) for name, rule in load_presets(STANDARD_RULES).items()}
    return pl.DataFrame(
        {
            "drug": arrays.drug,
            "reaction": arrays.reaction,
            **{name: np.asarray(values) for name, values in scores.items()},
            **flags,
        },
        schema_overrides={"drug": pl.String, "reaction": pl.String},
    )
