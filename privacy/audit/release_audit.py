r"""Can anyone tell from the real releases whether a patient is in the data, better than the claim allows?

Two worlds, one with the canary's patients and one without, are released many times by the real code. What is published
of every epoch and table is projected on the canary's cells: for Gaussian noise that loses nothing. Two scores are made
of the projections, the log-likelihood ratio under the claimed noise, and the linear score that the first half of the
runs themselves suggest (Fisher's discriminant), which also sees noise that was used twice. The first half chooses score
and threshold, the second gives the errors, and those the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cases.errors import ParameterError
from privacy.accounting import epsilon_from_mu
from privacy.audit.error_bounds import epsilon_lower_bound, mu_lower_bound
from privacy.audit.release_path import History, RandomBytes, ReleasePath, Tables
from privacy.audit.table_audit import TableAudit
from privacy.release import TABLES

__all__ = ["AUDITED_TABLES", "SMALLEST_RUNS", "audit_release"]

AUDITED_TABLES = {"pair": ("pair",), "margins": ("drug", "reaction"), "all": TABLES}
SMALLEST_RUNS = 100
_CHUNK = 1 << 13
_THRESHOLDS = 512
_NEIGHBOURS = 33
_TINY_MU = 1e-4

_Scores = NDArray[np.float64]


def audit_release(
    path: ReleasePath,
    *,
    runs: int,
    random_bytes: RandomBytes,
    level: float = 0.95,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, TableAudit]:
    """Run both worlds and bound what their releases lose: ``pair``, ``margins`` (both jointly), ``all`` together.

    Parameters
    ----------
    path
        The release code, and whose presence it has to hide.
    runs
        Runs of each world, an even number, at least 100; half of them choose the test.
    random_bytes
        Source of the noise. A seeded one makes the audit repeatable; production has the operating system's.
    level
        Confidence of every bound.
    advance
        Told how many runs were made.
    """
    if not (runs >= SMALLEST_RUNS and runs % 2 == 0):
        raise ParameterError(f"runs must be an even number of at least {SMALLEST_RUNS}, not {runs!r}")
    worlds = [path.history(with_canary=is_in) for is_in in (False, True)]
    exact = [[path.encode(epoch, world) for epoch in path.epochs] for world in worlds]
    changes = [{name: there[name] - away[name] for name in TABLES} for away, there in zip(*exact, strict=True)]
    directions = _directions(changes)
    absent, present = (_projections(path, world, exact[0], directions, runs, random_bytes, advance) for world in worlds)
    expected = _projected(changes, directions, path)
    found = {}
    for part, names in AUDITED_TABLES.items():
        columns = [TABLES.index(name) for name in names]
        away, there = (each[..., columns].reshape(runs, -1) for each in (absent, present))
        model = np.broadcast_to(expected[:, columns], (*absent.shape[1:3], len(columns))).reshape(-1)
        claimed = {"pair": path.spec.tables["pair"].mu, "margins": path.spec.tables["drug"].mu, "all": path.spec.mu}
        energy = sum(
            float(np.sum((change[name] / path.spec.tables[name].sigma) ** 2)) for change in changes for name in names
        )
        found[part] = _bounded(
            away, there, model, path, claimed=claimed[part], canary=sqrt(energy) / path.patients, level=level
        )
    return found


def _directions(changes: list[Tables]) -> dict[str, _Scores]:
    """Unit vectors along which the canary changes each table most, over all epochs: for the matching all of it."""
    stacked = {name: np.array([change[name] for change in changes], dtype=np.float64) for name in TABLES}
    return {name: np.linalg.svd(rows, full_matrices=False)[2][0] for name, rows in stacked.items()}


def _projected(changes: list[Tables], directions: dict[str, _Scores], path: ReleasePath) -> _Scores:
    """The canary's own part of each projection, shape (epochs, tables), in claimed standard deviations."""
    rows = [[change[name] @ directions[name] / path.spec.tables[name].sigma for name in TABLES] for change in changes]
    return np.array(rows)


def _projections(
    path: ReleasePath,
    world: History,
    base: list[Tables],
    directions: dict[str, _Scores],
    runs: int,
    random_bytes: RandomBytes,
    advance: Callable[[int], None],
) -> _Scores:
    """Of all that is published, shape (runs, publications, epochs, tables), in claimed standard deviations."""
    parts = []
    for start in range(0, runs, _CHUNK):
        copies = min(_CHUNK, runs - start)
        epochs = []
        for epoch, zero in zip(path.epochs, base, strict=True):
            published = path.publish(epoch, world, copies, random_bytes)
            epochs.append(
                [
                    [(tables[name] - zero[name]) @ directions[name] / path.spec.tables[name].sigma for name in TABLES]
                    for tables in published
                ]
            )
        parts.append(np.array(epochs).transpose(3, 1, 0, 2))  # from (epochs, publications, tables, copies)
        advance(copies)
    return np.concatenate(parts)


def _bounded(
    away: _Scores, there: _Scores, model: _Scores, path: ReleasePath, *, claimed: float, canary: float, level: float
) -> TableAudit:
    """Choose score and thresholds on the first half of the runs, bound on the second."""
    half, delta = len(away) // 2, path.protocol.delta
    tests = []
    for weights in (model, _discriminant(away[:half], there[:half])):
        first, second = ((np.sort(away[part] @ weights), np.sort(there[part] @ weights)) for part in _halves(half))
        thresholds = np.quantile(np.concatenate(first), np.linspace(0, 1, _THRESHOLDS))
        errors = _errors(first, thresholds)
        by_mu = mu_lower_bound(*errors, half, level=level)
        by_epsilon = epsilon_lower_bound(*errors, half, delta=delta, level=level)
        steady = np.convolve(by_mu, np.full(_NEIGHBOURS, 1 / _NEIGHBOURS), mode="same")  # else a lucky one is chosen
        best = thresholds[[steady.argmax(), by_epsilon.argmax()]]
        tests.append((float(steady.max()), *_errors(second, best)))
    _, alarms, misses = max(tests, key=lambda each: each[0])
    group_mu = float(mu_lower_bound(alarms[:1], misses[:1], half, level=level)[0])
    group_epsilon = float(epsilon_lower_bound(alarms[1:], misses[1:], half, delta=delta, level=level)[0])
    mu = group_mu / path.patients
    return TableAudit(
        mu_claimed=claimed,
        mu_canary=canary,
        mu_lower_bound=mu,
        epsilon_claimed=epsilon_from_mu(claimed, delta),
        epsilon_lower_bound=epsilon_from_mu(mu, delta) if mu > _TINY_MU else 0.0,
        group_epsilon_claimed=epsilon_from_mu(claimed * path.patients, delta),
        group_epsilon_lower_bound=group_epsilon,
    )


def _halves(half: int) -> tuple[slice, slice]:
    return slice(0, half), slice(half, 2 * half)


def _errors(worlds: tuple[_Scores, _Scores], thresholds: _Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """False alarms and misses of "the canary is in where the score is above the threshold"; scores are sorted."""
    away, there = worlds
    alarms = len(away) - np.searchsorted(away, thresholds, side="right")
    return alarms.astype(np.int64), np.searchsorted(there, thresholds, side="right").astype(np.int64)


def _discriminant(away: _Scores, there: _Scores) -> _Scores:
    """Weights that separate the two samples best, if all noise is Gaussian: within-covariance^-1 x difference."""
    within = (np.atleast_2d(np.cov(away, rowvar=False)) + np.atleast_2d(np.cov(there, rowvar=False))) / 2
    values, vectors = np.linalg.eigh(within)
    along = vectors.T @ (there.mean(axis=0) - away.mean(axis=0))
    weights: _Scores = vectors @ (along / np.maximum(values, 1e-9 * values.max()))
    return weights
