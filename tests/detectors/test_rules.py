"""Rules as data: the published presets, thresholds, and files that are not rules."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from cases import ConfigurationError, ParameterError, UnknownTermError
from detectors import (
    RULE_COLUMNS,
    STANDARD_RULES,
    Condition,
    CountTable,
    Rule,
    RuleExplanation,
    load_presets,
    parse_rules,
    score_all,
)
from detectors.score import DEFAULT_MEASURES

HEAD = '[mine]\ntitle="t"\nsource="s"\nsource_date=2026-01-01\n'


def scores(**values: float) -> dict[str, NDArray[np.float64]]:
    return {name: np.array([value]) for name, value in values.items()}


def test_presets_are_the_published_ones_with_source_and_date() -> None:
    presets = load_presets()
    assert {
        name: [(item.column, item.at_least, item.above) for item in rule.conditions] for name, rule in presets.items()
    } == {
        "evans": [("prr", 2, None), ("chi2", 4, None), ("n", 3, None)],
        "ema": [("prr_lower", 1, None), ("n", 5, None)],
        "evdas": [("ror_lower", None, 1), ("n", 5, None)],
        "evdas_monitored": [("ror_lower", None, 1), ("n", 3, None)],
        "umc": [("ic_lower", None, 0)],
        "mhra": [("ebgm", 2.5, None), ("eb05", 1.8, None), ("n", 3, None)],
        "fda": [("eb05", 2, None)],
    }
    for name, rule in presets.items():
        assert rule.name == name
        assert "doi:10." in rule.source or "https://www.ema.europa.eu/" in rule.source
        assert date(1990, 1, 1) < rule.source_date < date(2026, 1, 1)
        assert rule.limits
    assert list(load_presets(STANDARD_RULES)) == ["evans", "ema", "umc"]
    with pytest.raises(UnknownTermError, match=r"'evens' \(did you mean 'evans'"):
        load_presets(["evens"])


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
        ("evdas", {"ror_lower": 1, "n": 5}, False),
        ("evdas", {"ror_lower": 1.0000001, "n": 5}, True),
        ("evdas", {"ror_lower": 9, "n": 4}, False),
        ("evdas_monitored", {"ror_lower": 9, "n": 3}, True),
        ("mhra", {"ebgm": 2.5, "eb05": 1.8, "n": 3}, True),
        ("mhra", {"ebgm": 2.4, "eb05": 1.8, "n": 3}, False),
        ("mhra", {"ebgm": 2.5, "eb05": 1.7, "n": 3}, False),
        ("mhra", {"ebgm": 2.5, "eb05": 1.8, "n": 2}, False),
        ("fda", {"eb05": 2}, True),
        ("fda", {"eb05": 1.99}, False),
        ("fda", {"eb05": float("nan")}, False),
        ("fda", {"eb05": float("inf")}, True),
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
        ("", "there is no rule"),
        ("mine = []", "rule mine: "),
        (HEAD.replace("mine", "umc-2") + 'titel="t"\nconditions=[]', r"rule umc-2: .*`titel`.*did you mean 'title'"),
        (HEAD.replace("mine", '"my rule"') + 'conditions=[{column="n", above=1}]', "rule my rule: .*must be a letter"),
        (HEAD.replace("mine", "ebgm") + 'conditions=[{column="n", above=1}]', "rule ebgm has the name of a column"),
        (HEAD + 'name="other"\nconditions=[{column="n", above=1}]', "rule mine: unknown key 'name'"),
        (
            HEAD + 'conditions=[{column="ic_lowr", above=1}]',
            r"conditions\[0\].column 'ic_lowr'.*did you mean 'ic_lower'",
        ),
        (
            HEAD + 'conditions=[{column="n", above=1}, {column="qqq", above=1}]',
            r"conditions\[1\].column 'qqq'.*there are n,",
        ),
        (HEAD + 'conditions=[{column="n", above=nan}]', "threshold on n must be finite"),
        (HEAD + 'conditions=[{column="n", below=inf}]', "threshold on n must be finite"),
        (HEAD + 'conditions=[{column="n", above="3"}]', r"rule mine: .*conditions\[0\].above"),
        (HEAD + 'conditions=[{column="n", above=3, below=9}]', "either"),
        (HEAD.replace('"s"', '" "') + 'conditions=[{column="n", above=3}]', "rule mine: source must not be empty"),
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
            "rule mine: .*at_leest.*did you mean 'at_least'",
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


def test_all_four_relations() -> None:
    given = {"at_least": [False, True, True], "above": [False, False, True], "at_most": [True, True, False]}
    given["below"] = [True, False, False]
    for relation, met in given.items():
        rule = parse_rules(HEAD + f'conditions=[{{column="q_value", {relation}=0.05}}]')["mine"]
        assert rule.flags({"q_value": np.array([0.01, 0.05, 0.2])}).tolist() == met
        assert rule.flags({"q_value": np.array([np.nan])}).tolist() == [False]


def test_columns_are_those_that_are_computed() -> None:
    random = np.random.default_rng(3)
    n = random.poisson(3.0, (12, 12)) + 1
    counts = [(f"d{i}", f"r{j}", int(n[i, j]) * (1 + 9 * (i == j))) for i in range(12) for j in range(12)]
    computed = score_all(CountTable.from_counts(counts).arrays(), names=(*DEFAULT_MEASURES, "ebgm", "ror_exact"))
    assert set(computed) <= set(RULE_COLUMNS)
    assert {"ebgm", "eb05", "q_value", "llr_p", "fisher_p"} <= set(RULE_COLUMNS)


def test_a_rule_in_words() -> None:
    explanation = RuleExplanation.of(load_presets()["evans"])
    assert explanation.conditions == (
        "The proportional reporting ratio (PRR) is at least 2 (column prr).",
        "The chi-square with Yates' correction is at least 4 (column chi2).",
        "The number of reports with both drug and reaction is at least 3 (column n).",
    )
    text = str(explanation)
    for words in (*explanation.conditions, *explanation.limits, "doi:10.1002/pds.677", "2001-10-01"):
        assert words in text
    facts = explanation.as_dict()
    assert facts["conditions"][0] == {
        "column": "prr", "relation": "at_least", "threshold": 2.0, "words": explanation.conditions[0],
    }  # fmt: skip
    assert (facts["name"], facts["source_date"]) == ("evans", "2001-10-01")
