"""One year seen in three ways, side by side: all records in one place, noise from every site, a secure sum."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from typing import Any, Self

from connectors.generator import PlantedConfounder, PlantedPair
from kelsey.federation import Federation
from kelsey.page import Table
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec

__all__ = ["SumView", "sum_table", "views_table"]

_ROWS = 50
_LINES = (
    "noise of a count (sd)",
    "excess to be seen",
    "raised at the end of the year",
    "of them true",
    "of them confounded",
    "ever raised in the year",
    "of them true",
    "of them confounded",
)

_Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SumView:
    """What the hub of a secure sum raised.

    Parameters
    ----------
    protocol
        Of trust mode ``secure-sum``, all of whose sites were in every sum.
    sites
        How many.
    first
        The day on which each pair was first raised, by any rule.
    held
        Pairs for which a rule holds at the end of the era.
    newest
        Of each pair the SDR that held last, as the hub's API gives it.
    """

    protocol: SurveillanceProtocol
    sites: int
    first: Mapping[_Pair, date]
    held: frozenset[_Pair]
    newest: Mapping[_Pair, Mapping[str, Any]]

    @classmethod
    def of(cls, sdrs: Iterable[Mapping[str, Any]], *, protocol: SurveillanceProtocol, sites: int) -> Self:
        """From all SDRs of the hub, one for each pair and rule."""
        first: dict[_Pair, date] = {}
        newest: dict[_Pair, Mapping[str, Any]] = {}
        for sdr in sdrs:
            pair, day = (sdr["drug"], sdr["reaction"]), date.fromisoformat(sdr["first_date"])
            first[pair] = min(day, first.get(pair, day))
            if pair not in newest or sdr["last_epoch"] > newest[pair]["last_epoch"]:
                newest[pair] = sdr
        last = protocol.calendar.count - 1
        held = frozenset(pair for pair, sdr in newest.items() if sdr["last_epoch"] == last)
        return cls(protocol=protocol, sites=sites, first=first, held=held, newest=newest)

    @property
    def draws(self) -> float:
        """How many times the variance that the claim needs is in the sum: every site adds its share, fewer would do."""
        cohort = self.protocol.cohort
        assert cohort is not None  # noqa: S101 -- the protocol is of a secure sum
        return cohort.inflation(self.sites) ** 2


def views_table(
    federation: Federation,
    summed: SumView,
    *,
    planted: Sequence[PlantedPair],
    confounders: Sequence[PlantedConfounder],
) -> Table:
    """A column a view: how much noise, what is raised at the end and was ever, and how much of it is true."""
    true = {(pair.drug, pair.reaction) for pair in planted}
    confounded = {(pair.drug, pair.reaction) for pair in confounders}

    def column(noise: tuple[str, str], held: Collection[_Pair], ever: Collection[_Pair]) -> list[str]:
        counts = (len(of) for pairs in (set(held), set(ever)) for of in (pairs, pairs & true, pairs & confounded))
        return [*noise, *map("{:,}".format, counts)]

    pooled, hub = federation.pooled.log, federation.hub_log
    views = {
        "all records in one place": column(("none", "-"), pooled.held, pooled.first),
        "noise from every site": column(_noise(summed.protocol, float(summed.sites)), hub.held, hub.first),
        "a secure sum": column(_noise(summed.protocol, summed.draws), summed.held, summed.first),
    }
    return Table(
        "The same year in three ways",
        ["view", *views],
        list(zip(_LINES, *views.values(), strict=True)),
        f"{len(true)} true associations and {len(confounded)} confounded ones were planted; what is raised and is "
        "neither, is chance or seen with them. Both hubs promise patients the same. Excess to be seen: how much more "
        "than an expected count of ten it takes at the hub. At any one look, on average at most one in twenty of what "
        "its rule raises is chance; over the looks of a year others come up and go again, so ask when a rule held "
        "last. Exact counts are judged by the published rules, which do not allow for the number of pairs and looks.",
        frozenset(views),
    )


def sum_table(summed: SumView, planted: Sequence[PlantedPair]) -> Table:
    """What the hub of the secure sum raises at the end of the year, strongest first."""
    true = {(pair.drug, pair.reaction) for pair in planted}
    rows = []
    found = [summed.newest[pair] for pair in summed.held]
    for sdr in sorted(found, key=_strength):
        pair, statistic = (sdr["drug"], sdr["reaction"]), sdr["statistic"]
        rows.append(
            (
                *pair,
                summed.first[pair].isoformat(),
                f"{_figure(statistic.get('n'))} ± {_figure(statistic.get('n_sd'))}",
                _figure(statistic.get("expected")),
                _interval(statistic),
                "yes" if pair in true else "no",
            )
        )
    return Table(
        "Signals of disproportionate reporting in the secure sum",
        ["drug", "reaction", "first raised", "count ± noise sd", "expected", "ROR (95 %)", "planted"],
        rows[:_ROWS],
        "What the other hub raises at the end of the same year, from sums over all sites; it knows no site's count. "
        + (f"The {_ROWS} strongest of {len(rows)} are shown." if len(rows) > _ROWS else f"All {len(rows)} are shown."),
        frozenset({"count ± noise sd", "expected"}),
    )


def _strength(sdr: Mapping[str, Any]) -> tuple[float, str, str]:
    z = sdr["statistic"].get("z")
    return inf if z is None else -z, sdr["drug"], sdr["reaction"]


def _noise(protocol: SurveillanceProtocol, draws: float) -> tuple[str, str]:
    spec, last = ReleaseSpec.of(protocol), protocol.calendar.count - 1
    excess = spec.minimum_detectable_excess(last, sites=draws, kept_ratio=1.0, scale_ratio=1.0)  # as counts at the hub
    return f"{draws**0.5 * spec.running_total_sd('pair', last):.1f}", f"{excess:.0f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _interval(statistic: Mapping[str, float | None]) -> str:
    point, lower, upper = (statistic.get(name) for name in ("ror", "ror_lower", "ror_upper"))
    if point is None or lower is None:
        return "not enough information"
    return f"{point:.2f} ({lower:.2f} to {'∞' if upper is None else f'{upper:.2f}'})"
