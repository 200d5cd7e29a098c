"""A stratum as the plain words that a table keeps its counts under."""

from __future__ import annotations

from cases import Stratum

__all__ = ["NO_STRATUM", "Label", "label_of"]

Label = Stratum | tuple[str, ...]
NO_STRATUM = Stratum()


def _words(stratum: Stratum) -> tuple[str, ...]:
    return stratum.sex.value, stratum.age_band.value, stratum.seriousness


_NO_WORDS = _words(NO_STRATUM)


def label_of(stratum: Label) -> tuple[str, ...]:
    """The words of a stratum; those of own strata are taken as they are."""
    if stratum is NO_STRATUM:
        return _NO_WORDS  # what most updates say, so without a look at its parts
    return _words(stratum) if isinstance(stratum, Stratum) else tuple(stratum)
