"""The stratum a case belongs to: sex, age band and seriousness, each with a state for `not known`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cases.errors import ParameterError

__all__ = ["AgeBand", "Sex", "Stratum"]


class Sex(StrEnum):
    """Administrative sex, as the source records it."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class AgeBand(StrEnum):
    """Age at the event in the bands that regulators tabulate."""

    UNDER_2 = "0-1"
    CHILD = "2-11"
    ADOLESCENT = "12-17"
    ADULT = "18-64"
    ELDERLY = "65-84"
    AGED = "85+"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, age_years: float | None) -> AgeBand:
        """Band of an age in years, at least 0; None is `UNKNOWN`.

        Examples
        --------
        >>> AgeBand.of(17.9), AgeBand.of(18), AgeBand.of(None)
        (<AgeBand.ADOLESCENT: '12-17'>, <AgeBand.ADULT: '18-64'>, <AgeBand.UNKNOWN: 'unknown'>)
        """
        if age_years is None:
            return cls.UNKNOWN
        if not 0 <= age_years < 150:
            raise ParameterError("age_years must lie in [0, 150)")
        for bound, band in _UPPER_BOUNDS:
            if age_years < bound:
                return band
        return cls.AGED


_UPPER_BOUNDS = (
    (2, AgeBand.UNDER_2),
    (12, AgeBand.CHILD),
    (18, AgeBand.ADOLESCENT),
    (65, AgeBand.ADULT),
    (85, AgeBand.ELDERLY),
)


class Stratum(msgspec.Struct, frozen=True, order=True):
    """Sex, age band and seriousness (`serious`, `non-serious`, `unknown`) of a case."""

    sex: Sex = Sex.UNKNOWN
    age_band: AgeBand = AgeBand.UNKNOWN
    seriousness: str = "unknown"
