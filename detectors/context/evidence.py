"""Strength of evidence of a pair beyond its disproportionality: a score on the aspects of vigiRank."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files

import msgspec

from cases import ConfigurationError, ParameterError

__all__ = ["Aspect", "EvidenceScore"]

_ASPECTS = ("ic_lower", "informative", "recent", "narrative", "countries")


class Aspect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weight of one aspect, at least 0, and the value from which it counts in full, above 0."""

    weight: float
    full: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ParameterError(f"weight must lie in [0, 1], not {self.weight!r}")
        if not 0 < self.full < math.inf:
            raise ParameterError(f"full must be above 0 and finite, not {self.full!r}")


class EvidenceScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""Weighted sum of five aspects of a pair, in [0, 1]: :math:`\sum_k w_k s_k`.

    A count :math:`x` has :math:`s = \min(1, \log_2(1 + x) / \log_2(1 + \mathrm{full}))`; the lower limit of the IC has
    :math:`s = \min(1, \max(0, x / \mathrm{full}))`.

    Parameters
    ----------
    title, source, source_date
        What the weights are and where they come from.
    aspects
        `ic_lower`, `informative` (reports with completeness of at least 0.9), `recent` (reports of the last three
        years), `narrative` (reports with a free text), `countries`; their weights sum to 1.

    Notes
    -----
    It sorts pairs for reading, and is neither a probability nor vigiRank: the aspects are those of the published score,
    the weights that come with Kelsey are our own (see their source).

    Examples
    --------
    >>> score = EvidenceScore.ours()
    >>> round(score.of(ic_lower=1.0, informative=3, recent=10, narrative=0, countries=1), 3)
    0.493
    >>> score.of(ic_lower=4.0, informative=50, recent=50, narrative=50, countries=9)
    1.0

    References
    ----------
    Caster O, Juhlin K, Watson S, Noren GN (2014), Drug Safety 37:617-628, doi:10.1007/s40264-014-0204-5
    """

    title: str
    source: str
    source_date: date
    aspects: Mapping[str, Aspect]

    def __post_init__(self) -> None:
        if sorted(self.aspects) != sorted(_ASPECTS):
            raise ParameterError(f"aspects must be {', '.join(_ASPECTS)}, not {', '.join(self.aspects)}")
        total = math.fsum(aspect.weight for aspect in self.aspects.values())
        if not abs(total - 1) < 1e-9:
            raise ParameterError(f"the weights must sum to 1, not {total!r}")

    @classmethod
    def parse(cls, text: str) -> EvidenceScore:
        """Weights of a TOML text; raises `ConfigurationError`, naming the key, for anything else."""
        try:
            return msgspec.convert(tomllib.loads(text), cls)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ConfigurationError(f"evidence weights: {error}") from error

    @classmethod
    def ours(cls) -> EvidenceScore:
        """The weights that come with Kelsey: equal ones, of our own choice."""
        return cls.parse(files("detectors.context").joinpath("evidence_weights.toml").read_text(encoding="utf-8"))

    def of(self, *, ic_lower: float, informative: int, recent: int, narrative: int, countries: int) -> float:
        """Score of one pair; NaN where `ic_lower` is NaN.

        Raises `ParameterError` for a count that is negative or not finite.
        """
        counts = {"informative": informative, "recent": recent, "narrative": narrative, "countries": countries}
        for name, count in counts.items():
            if not 0 <= count < math.inf:
                raise ParameterError(f"{name} must be at least 0 and finite, not {count!r}")
        if math.isnan(ic_lower):
            return math.nan
        parts = {name: math.log2(1 + count) / math.log2(1 + self.aspects[name].full) for name, count in counts.items()}
        parts["ic_lower"] = max(0.0, ic_lower / self.aspects["ic_lower"].full)
        return math.fsum(self.aspects[name].weight * min(1.0, part) for name, part in parts.items())
