"""How text is folded before it is tokenised, and the spellings under which a name of the vocabulary is looked for."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "spellings"]

_PARAGRAPH = re.compile(r"\s*\n\s*\n\s*")
_GLUED_SENTENCE = re.compile(r"(?<=[A-Za-z0-9)])\.(?=[A-Za-z]{2})")
_LONGEST_WORD = 100  # no name has a longer one, and spaCy's tokeniser is quadratic in such runs
_CHARACTERS = str.maketrans(
    {"-": " ", "‐": " ", "‑": " ", "‒": " ", "–": " ", "—": " ; ", "_": " ", "/": " ", "‘": "'", "’": "'", "ʼ": "'"}
    | {"“": '"', "”": '"', "•": " ; ", "·": " ", "\ufffd": " ", "\0": " "}
)
_SIGNS = ';,:()[]+&="<>?!'
_TO_AMERICAN = (
    (re.compile("ae|oe"), "e"),
    (re.compile("our"), "or"),
    (re.compile("isation"), "ization"),
    (re.compile(r"\bleuc(?=[oe])"), "leuk"),
)
_TO_BRITISH = (
    (re.compile(r"(?<![ao])edema"), "oedema"),
    (re.compile(r"(?<!a)emia"), "aemia"),
    (re.compile(r"\bhem(?=[ao])"), "haem"),
    (re.compile(r"(rrh|pn)ea\b"), r"\1oea"),
    (re.compile(r"(?<!o)esophag"), "oesophag"),
    (re.compile(r"anesth"), "anaesth"),
    (re.compile(r"ischem"), "ischaem"),
    (re.compile(r"tumor\b"), "tumour"),
    (re.compile(r"\bleuk(?=o)"), "leuc"),
    (re.compile(r"ization"), "isation"),
)


def fold(text: str) -> str:
    r"""`text` without accents, hyphens, slashes and runs of blanks; a blank line ends a sentence.

    Examples
    --------
    >>> fold("Guillain-Barré  syndrome:\nnone.Then—rash")
    'Guillain Barre syndrome : none. Then ; rash'
    """
    text = text.translate(_CHARACTERS)
    if not text.isascii():
        text = text.encode(errors="ignore").decode()  # lone surrogates, which JSON lets through, are no text
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    if "\n" in text:
        text = _PARAGRAPH.sub(" . ", text)
    for sign in _SIGNS:  # "itching;denies fever", which spaCy takes for one word
        if sign in text:
            text = text.replace(sign, f" {sign} ")
    words = text.split()
    if len(max(words, key=len, default="")) > _LONGEST_WORD:
        words = [word for word in words if len(word) <= _LONGEST_WORD]
    text = " ".join(words)
    return _GLUED_SENTENCE.sub(". ", text) if "." in text else text


def spellings(name: str) -> set[str]:
    """`name` in singular and plural, British and American; some forms are no words, which does no harm.

    Examples
    --------
    >>> sorted(spellings("haemorrhage"))
    ['haemorrhage', 'haemorrhages', 'hemorrhage', 'hemorrhages']
    """
    forms = {name, _other_number(name)}
    return forms | {_respell(form, rules) for form in forms for rules in (_TO_AMERICAN, _TO_BRITISH)}


def _respell(name: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in rules:
        name = pattern.sub(replacement, name)
    return name


def _other_number(name: str) -> str:
    """Plural of a singular, singular of a plural, by the last word's ending; short or odd words stay as they are."""
    last = name.rsplit(" ", 1)[-1]
    if len(last) < 4 or not last.isalpha() or not last.islower():
        return name
    for ending, other in _ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending) + other
    return name + "s"


_ENDINGS = (
    ("ies", "y"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("sses", "ss"),
    ("xes", "x"),
    ("sis", "ses"),
    ("ses", "sis"),
    ("ss", "sses"),
    ("us", "us"),
    ("itis", "itis"),
    ("s", ""),
    ("sh", "shes"),
    ("ch", "ches"),
    ("x", "xes"),
    ("ty", "ties"),
    ("gy", "gies"),
    ("cy", "cies"),
    ("my", "mies"),
    ("dy", "dies"),
    ("hy", "hies"),
    ("ry", "ries"),
    ("ly", "lies"),
)
