"""Listedness: whether a reaction stands in the label of a drug already, by a list that the user supplies."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum

import polars as pl

from cases import ParameterError, UnknownTermError
from detectors.context._cases import unknown_term

__all__ = ["LabelList", "Listing"]


class Listing(StrEnum):
    """What a label list says of a pair."""

    LISTED = "listed"
    UNLISTED = "unlisted"
    NO_LABEL = "no-label"


def _fold(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _folded(kind: str, names: Iterable[str]) -> dict[str, str]:
    folded = {_fold(name): name for name in names}
    if not folded or "" in folded:
        raise ParameterError(f"the known {kind}s must be names, at least one, none blank")
    return folded


class LabelList:
    """Reactions that the labels of drugs list.

    Two names are the same if they are after Unicode normalisation (NFKC), case folding and with every run of white
    space as one blank; nothing else is forgiven, neither a hyphen nor a plural.

    Parameters
    ----------
    labels
        Columns drug and reaction; a row a reaction that the label of the drug lists. A repeated row is harmless.
    drugs, reactions
        All names that are known: those of the data and of the vocabulary. What is not among them is misspelt.

    Raises
    ------
    UnknownTermError
        A drug or reaction of `labels` is not known; the message names the row (the first is 0) and the nearest names.
    ParameterError
        A column is missing, a value empty, or no name is known.

    Notes
    -----
    A label that lists a broader term ("liver disorder") does not list a narrower one here: expand the list beforehand.

    Examples
    --------
    >>> labels = pl.DataFrame({"drug": ["Warfarin"], "reaction": ["haemorrhage"]})
    >>> listed = LabelList(labels, drugs=["warfarin", "aspirin"], reactions=["Haemorrhage", "Rash"])
    >>> [str(listed.listing(drug, "Rash")) for drug in ("WARFARIN", "aspirin")], str(listed.listing("warfarin",
    ...     "Haemorrhage"))
    (['unlisted', 'no-label'], 'listed')
    """

    __slots__ = ("_known", "_listed")

    def __init__(self, labels: pl.DataFrame, *, drugs: Iterable[str], reactions: Iterable[str]) -> None:
        self._known: Mapping[str, dict[str, str]] = {
            "drug": _folded("drug", drugs),
            "reaction": _folded("reaction", reactions),
        }
        self._listed: dict[str, set[str]] = {}
        for kind in self._known:
            if kind not in labels.columns:
                raise ParameterError(f"column {kind!r} is missing", hint=f"there are {', '.join(labels.columns)}")
        for row, (drug, reaction) in enumerate(labels.select("drug", "reaction").iter_rows()):
            if not (isinstance(drug, str) and isinstance(reaction, str) and drug.strip() and reaction.strip()):
                raise ParameterError(f"row {row}: drug and reaction must be names")
            try:
                self._listed.setdefault(self._key("drug", drug), set()).add(self._key("reaction", reaction))
            except UnknownTermError as error:
                raise UnknownTermError(f"row {row}: {error.message}", hint=error.hint) from error

    def _key(self, kind: str, name: str) -> str:
        key, known = _fold(name), self._known[kind]
        if key not in known:
            near = unknown_term(kind, key, list(known), where="nothing known is")
            raise UnknownTermError(f"nothing known is the {kind} {name!r}", hint=near.hint)
        return key

    def listing(self, drug: str, reaction: str) -> Listing:
        """What the list says of a pair; ``no-label`` for a drug without a label, which is not ``unlisted``.

        Raises `UnknownTermError`, naming the nearest, for a name that is not known.
        """
        drug_key, reaction_key = self._key("drug", drug), self._key("reaction", reaction)
        if drug_key not in self._listed:
            return Listing.NO_LABEL
        return Listing.LISTED if reaction_key in self._listed[drug_key] else Listing.UNLISTED

    def listing_many(self, pairs: Iterable[tuple[str, str]]) -> list[Listing]:
        """`listing` of every pair, in their order."""
        return [self.listing(drug, reaction) for drug, reaction in pairs]
