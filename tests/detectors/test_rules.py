"""Rules as data: the published presets, thresholds, and files that are not rules."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from cases import ConfigurationError, ParameterError
from detectors import Condition, Rule, load_presets, parse_rules


def scores(**values: float) -> dict[str, NDArray[np.float64]]:
    return {name: np.array([value]) for name, value in values.items()}


def test_presets_are_the_published_ones_with_source_and_date() -> None:
    presets = load_presets()
    assert {
        name: [(item.column, item.at_least, item.above) for item in rule.conditions] for name, rule in presets.items()
    } == {
        "evans": [("prr", 2, None), ("chi2", 4, None), ("n", 3, None)],
        "ema": [("prr_lower", 1, None), ("n", 5, None)],
        "umc": [("ic_lower", None, 0)],
    }
    for name, rule in presets.items():
        assert rule.name == name
        assert "doi:10." in rule.source
        assert date(1990, 1, 1) < rule.source_date < date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "values", "is_flagged"),
    [
        ("evans", {"prr": 2, "chi2": 4, "n": 3}, True),
        ("evans", {"prr": 1.999999, "chi2": 4, "n": 3}, False),
        ("evans", {"prr": 2, "chi2": 3.999999, "n": 3}, False),
        ("evans", {"prr": 50, "chi2": 40, "n": 2}, False),
        ("evans", {"prr": 50, "chi2": float("nan"), "n": 30}, False),
        ("ema", {"prr_lower": 1, "n": 5}, True),
        ("ema", {"prr_lower": 1, "n": 4}, False),
        ("umc", {"ic_lower": 0}, False),
        ("umc", {"ic_lower": 1e-12}, True),
    ],
)
def test_thresholds(name: str, values: dict[str, float], is_flagged: bool) -> None:
    flags = load_presets()[name].flags(scores(**values))
    assert flags.tolist() == [is_flagged]
    assert flags.dtype == np.bool_


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ParameterError, match=r"rule umc speaks of a column 'ic_lower' \(there are ic, n\)"):
        load_presets()["umc"].flags(scores(ic=3, n=4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mine", "not TOML"),
        ("mine = 3", "rule mine"),
        ('[mine]\ntitle = "t"', "rule mine: .*missing required field"),
        (
            '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[]',
            "rule mine: .*must have a condition",
        ),
        (
            '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[{column="n"}]',
            "rule mine: .*either at_least or above",
        ),
        (
            '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[{column="n", at_leest=3}]',
            "rule mine: .*at_leest",
        ),
    ],
)
def test_what_is_not_a_rule_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_rules(text)


def test_an_own_rule() -> None:
    rules = parse_rules(
        '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\nconditions=[{column="ror_lower", above=1}]'
    )
    assert rules["mine"].flags({"ror_lower": np.array([1.0, 1.1])}).tolist() == [False, True]
    with pytest.raises(ParameterError, match="either"):
        Condition(column="n", at_least=1, above=1)
    with pytest.raises(ParameterError, match="condition"):
        Rule(name="x", title="t", source="s", source_date=date(2026, 1, 1), conditions=())
