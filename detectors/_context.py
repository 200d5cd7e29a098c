"""What the words around a mention say of it: a scope walk over the mentions, cues and sentence ends of one text.

The method is ConText (Harkema et al. 2009, doi:10.1016/j.jbi.2009.05.002) with two changes: a scope is counted in
tokens from the last mention it reached, so that it follows an enumeration to its end and no further; and the role of a
drug is found the same way. Knows nothing of spaCy: spans come in as token positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Action", "Mention", "mark"]

_FIRST_HOP = 4  # most tokens between a mention and a backward cue after it,
_NEAR = 1  # and one that could also speak of what follows,
_NEXT_HOP = 2  # and between two mentions of one enumeration
_ROLES = ("suspect", "concomitant")


@dataclass(frozen=True, slots=True)
class Action:
    """What a phrase of the word list does; the empty one (of a `pseudo` phrase) does nothing.

    `forward`, `either` and `backward` name the marks it gives, `ends` those whose reach it ends; `is_break` ends a
    sentence, `is_comma` a part of it.
    """

    forward: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    backward: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    is_break: bool = False
    is_comma: bool = False


@dataclass(slots=True, eq=False)
class Mention:
    """A mention at tokens [start, end) and the marks it was given."""

    start: int
    end: int
    name: str
    kind: str  # drug, reaction or cue
    marks: set[str] = field(default_factory=set)


def mark(spans: Iterable[tuple[int, int, Action | Mention]], scopes: Mapping[str, int]) -> None:
    """Give every mention in `spans` its marks.

    Parameters
    ----------
    spans
        Mentions and actions with their token positions [start, end), in order of start, then end.
    scopes
        For each mark, how many tokens it reaches forward from its cue, and on from every mention it has reached.
    """
    reach: dict[str, int] = {}  # token up to which a mark is given
    fences: dict[str, int] = {}  # token before which a backward cue does not look, by mark
    sentence: list[Mention] = []
    comma = 0
    for start, end, item in spans:
        if isinstance(item, Mention):
            _reach(item, reach, scopes)
            sentence.append(item)
        elif item.is_break:
            reach.clear()
            fences.clear()
            sentence.clear()
        elif item.is_comma:
            comma = end
        else:
            forward = item.forward
            for name in item.backward:
                _look_back(name, sentence, fences.get(name, 0), max(comma, start - _FIRST_HOP))
            for name in item.either:
                if not _look_back(name, sentence, fences.get(name, 0), max(comma, start - _NEAR)):
                    forward = (*forward, name)
            for name in item.ends:
                reach.pop(name, None)
                fences[name] = end
            for name in forward:
                if name in _ROLES:  # the nearest cue decides
                    for role in _ROLES:
                        reach.pop(role, None)
                reach[name] = end + scopes[name]


def _reach(mention: Mention, reach: dict[str, int], scopes: Mapping[str, int]) -> None:
    """Give `mention` the marks that reach it, and let their reach go on from it."""
    for name, limit in list(reach.items()):
        if name in _ROLES and mention.kind != "drug":
            if mention.kind == "reaction":  # "after the rash, ibuprofen": the cue spoke of the rash
                del reach[name]
        elif mention.start < limit:
            mention.marks.add(name)
            reach[name] = max(limit, mention.end + scopes[name])


def _look_back(name: str, sentence: list[Mention], fence: int, edge: int) -> bool:
    """Mark the mention that ends at or after token `edge`, and those enumerated with it; whether there was one."""
    found = False
    edge = max(edge, fence)
    for mention in reversed(sentence):
        if name in _ROLES and mention.kind != "drug":
            continue
        if mention.end < edge:
            break
        mention.marks.add(name)
        found = True
        edge = max(fence, mention.start - _NEXT_HOP)
    return found
