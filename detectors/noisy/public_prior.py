"""A prior of the reporting ratio from public data, as a versioned file with its source."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files

import msgspec

from cases import ConfigurationError
from detectors.empirical_bayes import GammaMixture

__all__ = ["PublicPrior", "load_public_prior", "parse_public_prior"]


class PublicPrior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Five fitted numbers and where they come from.

    Parameters
    ----------
    version
        Name that results carry; another fit has another.
    source, source_date
        The public data, and their last day.
    alpha1, beta1, alpha2, beta2, p
        As of `GammaMixture`.

    Examples
    --------
    >>> known = load_public_prior()
    >>> known.version, round(known.prior.alpha2 / known.prior.beta2, 1)
    ('faers-2022q3-1', 4.1)
    """

    version: str
    source: str
    source_date: date
    alpha1: float
    beta1: float
    alpha2: float
    beta2: float
    p: float

    def __post_init__(self) -> None:
        if not self.version.strip() or not self.source.strip():
            raise ConfigurationError("a public prior needs a version and a source")
        _ = self.prior  # refuses numbers that are none of a prior

    @property
    def prior(self) -> GammaMixture:
        """The mixture."""
        return GammaMixture(
            alpha1=self.alpha1, beta1=self.beta1, alpha2=self.alpha2, beta2=self.beta2, p=self.p
        )  # fmt: skip


def parse_public_prior(text: str) -> PublicPrior:
    """The prior of a TOML text; raises `ConfigurationError`, naming the key, for anything else."""
    try:
        return msgspec.convert(tomllib.loads(text), PublicPrior)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"not a public prior: {error}") from error


def load_public_prior() -> PublicPrior:
    """The prior that comes with Kelsey (`public_prior.toml`)."""
    return parse_public_prior(files("detectors.noisy").joinpath("public_prior.toml").read_text(encoding="utf-8"))
