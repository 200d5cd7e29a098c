"""Prior of the relative reporting ratio: two gamma distributions, mixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cases import IntegrityError, ParameterError

__all__ = ["GammaMixture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaMixture:
    r"""Mixture :math:`p\,\Gamma(\alpha_1, \beta_1) + (1 - p)\,\Gamma(\alpha_2, \beta_2)`, by shape and rate.

    Parameters
    ----------
    alpha1, beta1, alpha2, beta2
        Shapes and rates, finite and above 0; a component's mean is alpha / beta.
    p
        Weight of the first component, in (0, 1).

    Examples
    --------
    >>> prior = GammaMixture(alpha1=0.2, beta1=0.1, alpha2=2.0, beta2=4.0, p=1 / 3)
    >>> prior.ordered().p == 1 - 1 / 3
    True

    References
    ----------
    DuMouchel W (1999), The American Statistician 53:177-190, doi:10.1080/00031305.1999.10474456
    """

    alpha1: float
    beta1: float
    alpha2: float
    beta2: float
    p: float

    def __post_init__(self) -> None:
        for name in ("alpha1", "beta1", "alpha2", "beta2"):
            if not 0 < getattr(self, name) < math.inf:
                raise ParameterError(f"{name} must be finite and above 0, not {getattr(self, name)!r}")
        if not 0 < self.p < 1:
            raise ParameterError(f"p must lie in (0, 1), not {self.p!r}")

    def ordered(self) -> GammaMixture:
        """The same prior with the component of the smaller mean first: the order in which a fit reports it."""
        if self.alpha1 / self.beta1 <= self.alpha2 / self.beta2:
            return self
        return GammaMixture(
            alpha1=self.alpha2, beta1=self.beta2, alpha2=self.alpha1, beta2=self.beta1, p=1 - self.p
        )  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """The prior as plain, versioned JSON values."""
        return {
            "schema_version": 1,
            "alpha1": self.alpha1,
            "beta1": self.beta1,
            "alpha2": self.alpha2,
            "beta2": self.beta2,
            "p": self.p,
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> GammaMixture:
        """The prior that `snapshot` gave; raises `IntegrityError` for anything else."""
        values = dict(snapshot)
        if values.pop("schema_version", None) != 1 or set(values) != {"alpha1", "beta1", "alpha2", "beta2", "p"}:
            raise IntegrityError("not a snapshot of a gamma mixture of schema version 1")
        return cls(**values)
