"""One branch of a tree that was looked at."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A name of a hierarchy with everything below it.

    Parameters
    ----------
    name, level
        The name, and its level in the hierarchy (1 at the top).
    observed, expected
        Distinct reports at the name, and those expected.
    llr
        Log likelihood ratio of an excess, 0 where there is none; NaN where nothing is expected: no test can judge it.
    p
        Chance that the largest ratio of the whole tree is no less, never 0; NaN like `llr`.
    same_as
        Other names with the very same reports, such as a parent with one child that was reported: one cut with this.
    """

    name: str
    level: int
    observed: int
    expected: float
    llr: float
    p: float
    same_as: tuple[str, ...]
