"""Seriousness of a case: the six regulatory criteria, or that the source did not say."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Seriousness", "SeriousnessCriterion"]


class SeriousnessCriterion(StrEnum):
    """ICH E2A seriousness criteria (E2B(R3) E.i.3.2)."""

    DEATH = "death"
    LIFE_THREATENING = "life-threatening"
    HOSPITALISATION = "hospitalisation"
    DISABILITY = "disability"
    CONGENITAL_ANOMALY = "congenital-anomaly"
    MEDICALLY_IMPORTANT = "medically-important"


class Seriousness(msgspec.Struct, frozen=True):
    """Whether a case is serious; None means the source did not say, which is not the same as not serious.

    Examples
    --------
    >>> Seriousness.of(SeriousnessCriterion.DEATH).is_serious
    True
    >>> Seriousness().is_serious is None
    True
    """

    is_serious: bool | None = None
    criteria: tuple[SeriousnessCriterion, ...] = ()

    def __post_init__(self) -> None:
        if self.criteria and self.is_serious is not True:
            msgspec.structs.force_setattr(self, "is_serious", True)

    @classmethod
    def of(cls, *criteria: SeriousnessCriterion) -> Seriousness:
        """A serious case by the criteria given, in their canonical order, each once."""
        order = list(SeriousnessCriterion)
        return cls(is_serious=True, criteria=tuple(sorted(set(criteria), key=order.index)))
