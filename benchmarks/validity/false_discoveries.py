"""Which share of the pairs that the hub's own rules raise is false: at one look, and over an era of monthly looks.

Margins and true associations are those of `kelsey simulate`; counts are drawn cell by cell, and the noise of running
totals month by month, as the square root of the counting matrix makes it: looks that follow one another share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from benchmarks.validity.study import Table
from hub.noisy_totals import NoisyTotals
from hub.rules import DISCOVERY_RULE, ERA_DISCOVERY_RULE, SCORE_RULE, rules_named
from hub.statistics import noisy_scores
from kelsey.simulation import Population, SimulationSettings
from privacy.factorisation import SquareRootFactorisation

__all__ = ["RaisedShares", "World", "false_discoveries", "raised_shares"]

_SEED = 20261125
_DRUGS, _REACTIONS, _PLANTED = 200, 400, 32
_MARGIN_NOISE = sqrt(2 * 0.95 / 0.05)  # of a margin, relative to a pair: two margins with 5 % of the budget
_BITS = 12
_VOLUMES = {"1 million": 4.6, "10 million": 46.0}  # reports of a pair, mean: half of what so many reports hold
_SIGMAS = {3: 2.66, 1: 7.27}  # of one release by a secure sum, all in, by epsilon
_HETEROGENEITY = 0.4
_POPULATIONS, _FEW = 8, 4
_LABELS = ("reports", "epsilon", "looks", "sd of log null ratios", "rule")
_COUNTS = ("raised", "raised at any look")
_SHARES = ("found", "false", "not planted", "false, at any look")
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is made up.

    Parameters
    ----------
    mean_count
        Expected reports of a pair in the whole era, mean over the pairs, without what true associations add.
    sigma
        Noise of a pair in a single release with the whole budget, in reports; at least 0.
    looks
        Months of the era, with a look at the end of each.
    heterogeneity
        Standard deviation of the logarithm of the true ratios of pairs that are no true association; at 0 all are 1.
    """

    mean_count: float
    sigma: float
    looks: int = 1
    heterogeneity: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedShares:
    """What one rule raises in one world; arrays of shape (populations,).

    Parameters
    ----------
    raised, ever_raised
        How many pairs at the last look, and at any look.
    found
        Share of the true associations that are raised at the last look.
    false, ever_false
        Share of the pairs raised whose true ratio is 1 or below; 0 where none is raised.
    unplanted
        Share of the pairs raised at the last look that are no true association.
    """

    raised: _Floats
    ever_raised: _Floats
    found: _Floats
    false: _Floats
    ever_false: _Floats
    unplanted: _Floats


def raised_shares(world: World, *, populations: int, random: np.random.Generator) -> Mapping[str, RaisedShares]:
    """What the hub's own rules raise in so many populations, by rule."""
    rules = rules_named((DISCOVERY_RULE, ERA_DISCOVERY_RULE, SCORE_RULE))
    rows: dict[str, list[tuple[float, ...]]] = {rule.name: [] for rule in rules}
    for _ in range(populations):
        expected, ratio, is_planted = _population(world, random)
        ever = {rule.name: np.zeros(ratio.size, dtype=np.bool_) for rule in rules}
        for totals in _looks(world, expected * ratio, random):
            scores = noisy_scores(totals, looks=world.looks)
            now = {rule.name: rule.flags(scores) for rule in rules}
            for name, flags in now.items():
                ever[name] |= flags
        is_false = (ratio <= 1).ravel()
        for name, flags in now.items():
            raised, at_any = int(flags.sum()), int(ever[name].sum())
            rows[name].append(
                (
                    raised,
                    at_any,
                    (flags & is_planted).sum() / _PLANTED,
                    (flags & is_false).sum() / max(raised, 1),
                    (ever[name] & is_false).sum() / max(at_any, 1),
                    (flags & ~is_planted).sum() / max(raised, 1),
                )
            )
    names = ("raised", "ever_raised", "found", "false", "ever_false", "unplanted")
    return {rule: RaisedShares(**dict(zip(names, np.array(each).T, strict=True))) for rule, each in rows.items()}


def _population(world: World, random: np.random.Generator) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Expected counts and true ratios, shape (drugs, reactions), and which cells are true associations."""
    settings = SimulationSettings(
        sites=2, reports=1000, epsilons=(1.0,), drugs=_DRUGS, reactions=_REACTIONS, signals=_PLANTED
    )
    drawn = Population.draw(settings, random)
    expected = np.outer(drawn.drug_share, drawn.reaction_share) * world.mean_count * _DRUGS * _REACTIONS
    ratio = np.exp(random.normal(0.0, world.heterogeneity, expected.size))
    ratio[drawn.signal_cell] = drawn.signal_ratio
    is_planted = np.zeros(ratio.size, dtype=np.bool_)
    is_planted[drawn.signal_cell] = True
    return expected, ratio.reshape(expected.shape), is_planted


def _looks(world: World, mean: _Floats, random: np.random.Generator) -> Iterator[NoisyTotals]:
    """What the hub knows at the end of each month; `mean` are the counts that the whole era is expected to bring."""
    strategy = SquareRootFactorisation(world.looks, _BITS)
    unit = sqrt(strategy.column_norm_squared)  # with it, the noise of one release alone is `sigma`
    sds = {"pair": world.sigma, "drug": world.sigma * _MARGIN_NOISE, "reaction": world.sigma * _MARGIN_NOISE}
    shapes = {"pair": mean.shape, "drug": mean.shape[:1], "reaction": mean.shape[1:]}
    draws = {name: random.normal(0.0, sd, (world.looks, *shapes[name])) for name, sd in sds.items()}
    count = np.zeros(mean.shape)
    for look in range(world.looks):
        count += random.poisson(mean / world.looks)
        weights = strategy.total_weights(look) * unit
        noise = {name: np.tensordot(weights, draw[: look + 1], axes=1) for name, draw in draws.items()}
        factor = strategy.error_factor(look)
        yield NoisyTotals(
            pair=count + noise["pair"],
            drug=count.sum(axis=1) + noise["drug"],
            reaction=count.sum(axis=0) + noise["reaction"],
            total=float(count.sum() + noise["drug"].sum()),
            pair_sd=sds["pair"] * factor,
            drug_sd=sds["drug"] * factor,
            reaction_sd=sds["reaction"] * factor,
            total_sd=sds["drug"] * factor * sqrt(len(mean)),
        )


def false_discoveries() -> Table:
    """What these rules raise, find and get wrong, by volume, budget, looks and heterogeneity of null ratios."""
    random = np.random.default_rng(_SEED)
    worlds = [
        (name, epsilon, World(mean_count=mean, sigma=sigma, looks=looks, heterogeneity=heterogeneity), populations)
        for looks, heterogeneity, populations in ((12, 0.0, _POPULATIONS), (1, _HETEROGENEITY, _FEW))
        for name, mean in _VOLUMES.items()
        for epsilon, sigma in _SIGMAS.items()
    ]
    worlds.append(("10 million", 3, World(mean_count=46.0, sigma=_SIGMAS[3], looks=60), _FEW))
    rows = []
    for name, epsilon, world, populations in worlds:
        for rule, shares in raised_shares(world, populations=populations, random=random).items():
            counts = (f"{np.mean(each):,.1f}" for each in (shares.raised, shares.ever_raised))
            parts = (shares.found, shares.false, shares.unplanted, shares.ever_false)
            label = (name, str(epsilon), str(world.looks), f"{world.heterogeneity:g}", rule)
            rows.append((*label, *counts, *(_mean(part) for part in parts)))
    return Table(
        title="False discoveries of the hub's own rules",
        about=f"{_DRUGS} x {_REACTIONS} pairs, {_PLANTED} of them true associations of ratio 2, 4 and 8, in a world as "
        f"of `kelsey simulate`; monthly looks, secure sum, delta 1e-6; mean of {_POPULATIONS} populations ({_FEW} with "
        f"heterogeneity or 60 looks) with its 95 % error, seed {_SEED}. False is a pair raised whose true ratio is 1 "
        "or below. Reports are of a federation with 500,000 pairs; here there are as many for each pair.",
        header=(*_LABELS, *_COUNTS, *_SHARES),
        rows=rows,
        notes=(
            "Raised, found, false and not planted are of the last look. At any look: a pair once raised stays raised.",
            f"With log ratios of sd {_HETEROGENEITY} half the pairs that are no true association have a ratio above 1, "
            "and with enough reports it is found, rightly: not planted, but not false.",
        ),
    )


def _mean(values: _Floats) -> str:
    return f"{values.mean():.3f} +- {1.96 * values.std(ddof=1) / sqrt(values.size):.3f}"
