"""A drug or reaction as the record names it and as the vocabulary knows it, with where the name came from."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Code", "Provenance", "Term"]


class Code(msgspec.Struct, frozen=True, order=True):
    """A code of some coding system, e.g. ``Code("http://www.nlm.nih.gov/research/umls/rxnorm", "11289")``."""

    system: str
    code: str


class Provenance(StrEnum):
    """How a coded item came to be."""

    CODED = "coded"  # a code of the record, found in the vocabulary
    TEXT = "text"  # free text of a coded element, found in the vocabulary
    DISPLAY = "display"  # only a reference's display text was there
    NARRATIVE = "narrative"  # read in the narrative; kept apart from coded pairs
    PUBLISHED = "published"  # a term taken over as its source publishes it


class Term(msgspec.Struct, frozen=True, order=True):
    """A name mapped to the vocabulary, or known to be unmapped.

    Parameters
    ----------
    name
        Preferred name in the site's vocabulary (drug ingredient, preferred term); None where unmapped.
    provenance
        How the name was found.
    code
        The record's code that was mapped, where there was one.
    """

    name: str | None
    provenance: Provenance
    code: Code | None = None

    @property
    def is_mapped(self) -> bool:
        """Whether the vocabulary knows the name."""
        return self.name is not None
