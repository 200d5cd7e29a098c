"""Sentences a ward might write: what was given, what happened, what did not, what was long ago."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["FAMILY_NAMES", "GIVEN_NAMES", "UNMAPPED_REACTIONS", "narrative"]

GIVEN_NAMES = (
    ("Aldo", "Bertil", "Cato", "Dagny", "Egon", "Ferro", "Gilles", "Harm", "Ivo", "Joris", "Kasimir", "Lauri"),
    ("Anouk", "Birte", "Celia", "Delfina", "Edda", "Fenna", "Greta", "Hedda", "Ilse", "Jette", "Karin", "Lotte"),
)
FAMILY_NAMES = (
    "Alderfold", "Brackmoor", "Caldwick", "Dunhollow", "Eastermere", "Farrowby", "Glenharrow", "Hollingbeck",
    "Ingleford", "Jarrowden", "Kestlewood", "Lindenmoor", "Marlbrook", "Northolme", "Oxmere", "Penhallow",
)  # fmt: skip

UNMAPPED_REACTIONS = ("felt out of sorts", "metallic taste", "strange dreams", "cold hands")

_STARTS = (
    "{who} was started on {drug} {why}.",
    "{who} had been taking {drug} for {weeks} weeks {why}.",
    "{drug_first} was given to {who_lower} on the ward {why}.",
    "{who} received {drug} {why} and was seen again after {days} days.",
)
_REASONS = (
    "by the clinic",
    "after discharge",
    "on the advice of the on-call team",
    "before an operation",
    "at home",
    "for a trial of three weeks",
)
_EVENTS = (
    "{days_word} later {he} developed {reactions}.",
    "Within {days} days {he} presented with {reactions}.",
    "{He} then complained of {reactions}.",
    "On day {days} {reactions} occurred.",
    "The nurse noted {reactions} on the following round.",
)
_NEGATIONS = (
    "There was no {other}.",
    "{He} denied {other}.",
    "No signs of {other} were found.",
    "{He} remained without {other} throughout.",
    "{other_first} was ruled out.",
)
_HISTORIES = (
    "{He} had a history of {other}.",
    "{He} had had {other} in childhood.",
    "The notes mention previous {other} years ago.",
    "{other_first} had occurred once before, in 2011.",
)
_ENDINGS = (
    "{drug_first} was stopped and {he} recovered.",
    "The dose was halved and the complaint settled.",
    "{He} recovered fully after {days} days.",
    "No treatment was needed and {he} went home the same day.",
    "The outcome is not known at the time of this report.",
)
_SERIOUS_ENDINGS = (
    "{drug_first} was withdrawn; {he} was admitted for observation.",
    "{He} was admitted to intensive care and {drug} was stopped.",
    "{He} was taken to hospital by ambulance and stayed for {days} days.",
    "An emergency procedure was needed.",
    "{drug_first} was stopped and {he} recovered.",
)
_FATAL_ENDING = "{He} died despite intensive treatment."
_DAYS = ("One day", "Two days", "Three days", "A week", "Ten days", "Two weeks")


def _pick(options: Sequence[str], chance: float) -> str:
    return options[int(chance * len(options))]


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def narrative(
    *,
    age: int,
    is_woman: bool,
    drug: str,
    reactions: Sequence[str],
    others: Sequence[str],
    is_serious: bool,
    is_fatal: bool,
    chances: Sequence[float],
) -> str:
    """Two to five sentences.

    Parameters
    ----------
    drug, reactions
        The words the record uses for them; the reactions are the ones that happened.
    others
        At least two reactions that did not: the first may be negated, the second may be history.
    chances
        Eight numbers in [0, 1) that decide the wording.
    """
    person = ("woman" if is_woman else "man") if age >= 18 else ("girl" if is_woman else "boy")
    article = "An" if age in (8, 11, 18) or 80 <= age < 90 else "A"
    who = f"{article} {age}-year-old {person}"
    he = "she" if is_woman else "he"
    words = {
        "who": who,
        "who_lower": who[0].lower() + who[1:],
        "drug": drug,
        "drug_first": _first(drug),
        "why": _pick(_REASONS, chances[0]),
        "weeks": str(2 + int(chances[1] * 30)),
        "days": str(2 + int(chances[2] * 18)),
        "days_word": _pick(_DAYS, chances[2]),
        "he": he,
        "He": _first(he),
        "reactions": " and ".join(reactions),
    }
    sentences = [_pick(_STARTS, chances[3]).format_map(words), _pick(_EVENTS, chances[4]).format_map(words)]
    if chances[5] < 0.45:
        words.update(other=others[0], other_first=_first(others[0]))
        sentences.append(_pick(_NEGATIONS, chances[5] / 0.45).format_map(words))
    if chances[6] < 0.3:
        words.update(other=others[1], other_first=_first(others[1]))
        sentences.append(_pick(_HISTORIES, chances[6] / 0.3).format_map(words))
    if is_fatal:
        sentences.append(_FATAL_ENDING.format_map(words))
    elif chances[7] < 0.7:
        sentences.append(_pick(_SERIOUS_ENDINGS if is_serious else _ENDINGS, chances[7] / 0.7).format_map(words))
    return " ".join(sentences)
