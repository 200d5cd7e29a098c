"""The one rule behind the online procedures: wealth that is spent by test and earned back by discovery.

_OnlineProcedure
├── Lord      every test ages the wealth
├── Saffron   a candidate (p <= candidate) does not
└── Addis     nor does a hopeless one (p > discard)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cases import IntegrityError, ParameterError

__all__ = ["OnlineProcedure", "is_share"]

_SNAPSHOT_VERSION = 1


def is_share(value: object) -> bool:
    """Whether a value read from a snapshot is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


class OnlineProcedure(ABC):
    """State and step of an online procedure; the subclasses say which tests count and how wealth is spent.

    Each portion of wealth (the initial one, and one a discovery) has an age: the tests since its birth that counted.
    The next level adds up the portions, each times the weight of its age.
    """

    schema: ClassVar[str]

    def __init__(self, *, alpha: float, initial_wealth: float | None, candidate: float, discard: float) -> None:
        if not 0 < alpha < 1:
            raise ParameterError(f"alpha must lie in (0, 1), not {alpha!r}")
        wealth = alpha / 2 if initial_wealth is None else initial_wealth
        if not 0 < wealth < alpha:
            raise ParameterError(f"initial_wealth must lie in (0, alpha), not {initial_wealth!r}")
        self.alpha = alpha
        self.initial_wealth = wealth
        self._candidate = candidate
        self._discard = discard
        self._age = 0  # tests so far that counted
        self._births = [0]  # age at which each portion of wealth came, the initial one first
        self._portions = [wealth]
        self.test_count = 0
        self.discovery_count = 0

    @staticmethod
    @abstractmethod
    def _weights(age: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of a portion of wealth that is spent at each age from 1 on."""

    @property
    def level(self) -> float:
        """What the next p value will be compared with; depends on earlier ones alone."""
        ages = self._age - np.array(self._births, dtype=np.int64) + 1
        total = float(np.array(self._portions) @ self._weights(ages)) * (self._discard - self._candidate)
        return min(total, self._candidate) if self._candidate > 0 else total

    def update(self, p_value: float) -> bool:
        """Make the next test; whether it is a discovery, which is final.

        Raises `ParameterError`, and changes nothing, if the p value lies outside [0, 1]. A test that could not be made
        (NaN) is none and must be left out.
        """
        if not 0 <= p_value <= 1:
            raise ParameterError(f"p_value must lie in [0, 1], not {p_value!r}")
        is_discovery = bool(p_value <= self.level)
        is_aging = p_value <= self._discard and not (self._candidate > 0 and p_value <= self._candidate)
        self._age += is_aging
        self.test_count += 1
        if is_discovery:
            portion = self.alpha - self.initial_wealth if not self.discovery_count else self.alpha
            self.discovery_count += 1
            if self.discovery_count > 2 and self._births[-1] == self._age:
                self._portions[-1] += portion  # discoveries in a row without aging: one portion, or memory would grow
            else:
                self._births.append(self._age)
                self._portions.append(portion)
        return is_discovery

    def _settings(self) -> dict[str, float]:
        """The arguments of the constructor."""
        return {"alpha": self.alpha, "initial_wealth": self.initial_wealth}

    def snapshot(self) -> dict[str, Any]:
        """The whole state as plain, versioned JSON values."""
        return {
            "schema": self.schema, "version": _SNAPSHOT_VERSION, "settings": self._settings(), "age": self._age,
            "births": list(self._births), "portions": list(self._portions),
            "tests": self.test_count, "discoveries": self.discovery_count,
        }  # fmt: skip

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> Self:
        """A procedure that goes on where the snapshot was taken; raises `IntegrityError` if it contradicts itself."""
        try:
            if snapshot["schema"] != cls.schema or snapshot["version"] != _SNAPSHOT_VERSION:
                raise IntegrityError(f"not a snapshot of {cls.__name__}: schema {cls.schema} version 1 expected")
            made = cls(**snapshot["settings"])
            births, portions = list(snapshot["births"]), list(snapshot["portions"])
            tests, discoveries, age = snapshot["tests"], snapshot["discoveries"], snapshot["age"]
            earned = made.initial_wealth + (made.alpha * discoveries - made.initial_wealth if discoveries else 0)
            is_sound = (
                all(type(number) is int for number in (tests, discoveries, age, *births))
                and all(is_share(portion) and portion > 0 for portion in portions)
                and 0 <= discoveries <= tests
                and 0 <= age <= tests
                and len(births) == len(portions) <= discoveries + 1
                and births[0] == 0
                and births == sorted(births)
                and births[-1] <= age
                and abs(sum(portions) - earned) <= 1e-9 * (1 + earned)
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise IntegrityError(f"not a snapshot of {cls.__name__}: {type(error).__name__}") from error
        if not is_sound:
            raise IntegrityError(f"not a snapshot of {cls.__name__}: its counts contradict each other")
        made._age, made._births, made._portions = age, births, [float(portion) for portion in portions]
        made.test_count, made.discovery_count = tests, discoveries
        return made
