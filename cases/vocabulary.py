"""The site's vocabulary: from a record's code or words to a drug ingredient or a preferred term.

Licensed terminologies are the user's own files; Kelsey ships none. A name the vocabulary does not know stays unmapped,
which is a state that is counted, never a guess.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from io import StringIO

from cases.errors import ConfigurationError
from cases.term import Code, Provenance, Term

__all__ = ["TermKind", "Vocabulary"]

_COLUMNS = ("kind", "name", "synonym", "system", "code")
_PUNCTUATION = re.compile(r"[\W_]+")


class TermKind(StrEnum):
    """What a term names."""

    DRUG = "drug"
    REACTION = "reaction"


def _normalise(text: str) -> str:
    """Case, accents, punctuation and runs of blanks folded away."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return _PUNCTUATION.sub(" ", folded).strip()


class Vocabulary:
    """Drug ingredients and preferred terms with their synonyms and codes.

    Parameters
    ----------
    name, version
        What the counts made with it are labelled with; sites with different ones must not be added up.
    synonyms
        For each kind, preferred name by synonym (the preferred name itself is always one).
    codes
        For each kind, preferred name by code.
    is_open
        Take over names the vocabulary does not know as the source publishes them (VAERS product names and
        terms are already standard); otherwise they are unmapped.

    Examples
    --------
    >>> vocabulary = Vocabulary.from_csv('''kind,name,synonym,system,code
    ... drug,warfarin,Coumadin,,
    ... reaction,Haemorrhage,bleeding,,''', name="example")
    >>> vocabulary.find(TermKind.DRUG, text="COUMADIN ").name
    'warfarin'
    >>> vocabulary.find(TermKind.REACTION, text="blushing").is_mapped
    False
    """

    def __init__(
        self,
        *,
        name: str,
        version: str,
        synonyms: Mapping[TermKind, Mapping[str, str]],
        codes: Mapping[TermKind, Mapping[Code, str]],
        is_open: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.is_open = is_open
        self._exact = {kind: dict(synonyms.get(kind, {})) for kind in TermKind}
        self._codes = {kind: dict(codes.get(kind, {})) for kind in TermKind}
        for kind in TermKind:
            for preferred in [*self._exact[kind].values(), *self._codes[kind].values()]:
                self._exact[kind].setdefault(preferred, preferred)
        self._normalised = {
            kind: {_normalise(synonym): preferred for synonym, preferred in self._exact[kind].items()}
            for kind in TermKind
        }

    @classmethod
    def open(cls, *, name: str, version: str = "1") -> Vocabulary:
        """A vocabulary that takes every name over as published."""
        return cls(name=name, version=version, synonyms={}, codes={}, is_open=True)

    @classmethod
    def from_csv(cls, text: str, *, name: str, version: str = "") -> Vocabulary:
        """A vocabulary from a table ``kind,name,synonym,system,code``, one synonym or code a line.

        `version` defaults to the first 12 hexadecimal digits of the table's SHA-256. Raises `ConfigurationError`,
        naming the line, for an unknown kind, an empty name, or a synonym or code that names two terms.
        """
        rows = csv.DictReader(StringIO(text))
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ConfigurationError(f"vocabulary {name}: the header must be {','.join(_COLUMNS)}")
        synonyms: dict[TermKind, dict[str, str]] = {kind: {} for kind in TermKind}
        codes: dict[TermKind, dict[Code, str]] = {kind: {} for kind in TermKind}
        seen: dict[tuple[TermKind, str], str] = {}
        for number, row in enumerate(rows, start=2):
            where = f"vocabulary {name}, line {number}"
            try:
                kind = TermKind((row["kind"] or "").strip())
            except ValueError as error:
                raise ConfigurationError(f"{where}: kind must be drug or reaction") from error
            preferred = (row["name"] or "").strip()
            if not preferred:
                raise ConfigurationError(f"{where}: name must not be empty")
            for synonym in {preferred, (row["synonym"] or "").strip()} - {""}:
                if seen.setdefault((kind, _normalise(synonym)), preferred) != preferred:
                    raise ConfigurationError(f"{where}: {synonym!r} already names another {kind}")
                synonyms[kind][synonym] = preferred
            if row["code"]:
                code = Code((row["system"] or "").strip(), row["code"].strip())
                if codes[kind].setdefault(code, preferred) != preferred:
                    raise ConfigurationError(f"{where}: code {code.code!r} already names another {kind}")
        version = version or hashlib.sha256(text.encode()).hexdigest()[:12]
        return cls(name=name, version=version, synonyms=synonyms, codes=codes)

    @property
    def label(self) -> str:
        """``name@version``, what every count made with it carries."""
        return f"{self.name}@{self.version}"

    def names(self, kind: TermKind) -> tuple[str, ...]:
        """All preferred names of a kind, sorted."""
        return tuple(sorted(set(self._exact[kind].values())))

    def synonyms(self, kind: TermKind) -> Mapping[str, str]:
        """Preferred name by synonym, the preferred names among them."""
        return self._exact[kind]

    def find(
        self, kind: TermKind, *, codes: Sequence[Code] = (), text: str = "", is_display_only: bool = False
    ) -> Term:
        """The term for a record's codes (in the record's order, first hit wins), else for its text.

        Text matches exactly, then with case, accents and punctuation folded. Without a hit the term is unmapped, or
        in an open vocabulary the text as published.
        """
        for code in codes:
            if (name := self._codes[kind].get(code)) is not None:
                return Term(name, Provenance.CODED, code)
        first = codes[0] if codes else None
        text = text.strip()
        how = Provenance.DISPLAY if is_display_only else Provenance.TEXT
        if text:
            name = self._exact[kind].get(text) or self._normalised[kind].get(_normalise(text))
            if name is not None:
                return Term(name, how, first)
            if self.is_open:
                return Term(text, Provenance.PUBLISHED, first)
        return Term(None, how, first)

    def find_many(self, kind: TermKind, texts: Iterable[str]) -> list[Term]:
        """`find` by text for each of `texts`."""
        return [self.find(kind, text=text) for text in texts]
