"""What stands above the sites in a replay: the exact pooled view, and the hub that only sees releases."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray

from detectors.pair_arrays import PairArrays
from detectors.rules import Rule
from detectors.table import CountTable
from hub.aggregator.embedded import EmbeddedAggregators
from hub.embedded import EmbeddedHub
from hub.evaluation import EpochView
from kelsey.player import PlayedEpoch, View, apply_changes
from kelsey.signal_log import Scores, SignalLog
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol

__all__ = ["Federation", "FederationHistory"]


@dataclass(slots=True)
class FederationHistory:
    """By epoch: new cases of each site, SDRs known in the two views, and the noise of a pair's total at the hub."""

    new_cases: dict[str, list[int]] = field(default_factory=dict)
    pooled_signals: list[int] = field(default_factory=list)
    hub_signals: list[int] = field(default_factory=list)
    noise_sd: list[float] = field(default_factory=list)


class Federation:
    """Pooled counts (what only a replay can know) and the hub's view, fed epoch by epoch.

    Parameters
    ----------
    calendar, rules
        As the sites play them.
    protocol, site_keys
        What the hub works under, and whose releases it accepts; without a protocol there is no hub.
    releases
        Where every line that left a site is written, byte for byte; under secure sum every share, in base64.
    database_url
        Where the hub keeps its tables; in memory by default.
    """

    def __init__(
        self,
        *,
        calendar: EpochCalendar,
        rules: Mapping[str, Rule],
        protocol: SurveillanceProtocol | None,
        site_keys: Mapping[str, Ed25519PublicKey],
        releases: BinaryIO,
        database_url: str = "sqlite://",
    ) -> None:
        self.calendar = calendar
        self.protocol = protocol
        self._aggregators = (
            EmbeddedAggregators(protocol, site_keys) if protocol is not None and protocol.cohort is not None else None
        )
        self.pooled = View(SignalLog(view="pooled"), CountTable(), rules)
        self.hub = (
            None
            if protocol is None
            else EmbeddedHub(
                protocol=protocol,
                site_keys=site_keys,
                aggregator_keys=None if self._aggregators is None else self._aggregators.public_keys,
                database_url=database_url,
            )
        )
        self.hub_log = SignalLog(view="hub")
        self.hub_view: EpochView | None = None
        self.history = FederationHistory()
        self.release_count = 0
        self._releases = releases

    def observe(self, parts: Sequence[PlayedEpoch]) -> None:
        """Take one epoch of all sites in; `parts` are the epochs of the groups of sites, all of one number."""
        epoch = parts[0].epoch
        sites = {name: site for part in parts for name, site in part.sites.items()}
        for name in sorted(sites):
            apply_changes(self.pooled.table, sites[name].changes)
            self.history.new_cases.setdefault(name, []).append(sites[name].new_case_count)
        self.pooled.observe(self.calendar, epoch)
        self.history.pooled_signals.append(len(self.pooled.log.first))
        if self.hub is None:
            return
        at = self.calendar.closes_at(epoch)
        lines = [line for name in sorted(sites) if (line := sites[name].line) is not None]
        self.release_count += len(lines)
        if self._aggregators is None:
            for line in lines:
                self.hub.submit(line, at=at)
                self._releases.write(line + b"\n")
        else:
            self._releases.writelines(base64.b64encode(line) + b"\n" for line in lines)
            for message in self._aggregators.sum_epoch(epoch, lines, at=at):
                self.hub.submit_sum(message, at=at)
        self.hub_view = view = self.hub.evaluate(epoch, at=at)
        arrays, flags = self.hub_arrays(), view.flags
        self.hub_log.observe(self.calendar.last_day(epoch), arrays, view.scores, flags)
        self.history.hub_signals.append(len(self.hub_log.first))
        self.history.noise_sd.append(float(view.scores["n_sd"][0]))

    def close(self) -> None:
        """Give the hub's database back; what was observed stays."""
        if self.hub is not None:
            self.hub.close()
        if self._aggregators is not None:
            self._aggregators.close()

    def hub_arrays(self) -> PairArrays:
        """The protocol's active cells as rows; their counts are in the hub's scores, so the columns hold zeros."""
        if self.protocol is None:
            raise RuntimeError("a federation without a protocol has no hub")
        drugs, reactions = self.protocol.drugs, self.protocol.reactions
        cells = self.protocol.layout.active
        nothing: NDArray[np.int64] = np.zeros(len(cells), dtype=np.int64)
        return PairArrays(
            drug_names=drugs,
            reaction_names=reactions,
            drug_index=cells // len(reactions),
            reaction_index=cells % len(reactions),
            n=nothing,
            n_drug=nothing,
            n_reaction=nothing,
            n_total=nothing,
            expected=np.zeros(len(cells)),
        )

    def signal_rows(self) -> list[dict[str, object]]:
        """Rows of ``signals.csv`` for the pooled view and, where there is one, the hub's."""
        rows = self.pooled.rows()
        if self.hub_view is not None:
            scores: Scores = self.hub_view.scores
            rows += self.hub_log.rows(self.hub_arrays(), scores)
        return rows
