"""Statistics over counts, their rules, online models and narrative reading; pure, and imports `cases` alone."""

from detectors.cell import Cell
from detectors.chi_square import ChiSquare
from detectors.closed_form_information_component import ClosedFormInformationComponent
from detectors.drift import RateChange, ReportingRateDrift
from detectors.empirical_bayes import EmpiricalBayes, GammaMixture, GammaMixtureFit, fit_gamma_mixture
from detectors.exact_reporting_odds_ratio import ExactReportingOddsRatio
from detectors.fisher import FisherExact
from detectors.fisher_mid_p import FisherMidP
from detectors.hierarchy import Hierarchy
from detectors.information_component import InformationComponent
from detectors.interval import Interval
from detectors.likelihood_ratio import LikelihoodRatioTest, LogLikelihoodRatio, likelihood_ratio_test
from detectors.mantel_haenszel import MantelHaenszel
from detectors.measure import IntervalMeasure, Measure
from detectors.narrative import NarrativeFindings, NarrativeReader
from detectors.normal_information_component import NormalInformationComponent
from detectors.pair_arrays import PairArrays
from detectors.proportional_reporting_ratio import ProportionalReportingRatio
from detectors.reporting_odds_ratio import ReportingOddsRatio
from detectors.rule_columns import RULE_COLUMNS
from detectors.rule_explanation import RuleExplanation
from detectors.rules import STANDARD_RULES, Condition, Rule, load_presets, parse_rules
from detectors.score import score_all, score_pairs
from detectors.table import CountTable
from detectors.triage import TriageModel

__all__ = [
    "RULE_COLUMNS",
    "STANDARD_RULES",
    "Cell",
    "ChiSquare",
    "ClosedFormInformationComponent",
    "Condition",
    "CountTable",
    "EmpiricalBayes",
    "ExactReportingOddsRatio",
    "FisherExact",
    "FisherMidP",
    "GammaMixture",
    "GammaMixtureFit",
    "Hierarchy",
    "InformationComponent",
    "Interval",
    "IntervalMeasure",
    "LikelihoodRatioTest",
    "LogLikelihoodRatio",
    "MantelHaenszel",
    "Measure",
    "NarrativeFindings",
    "NarrativeReader",
    "NormalInformationComponent",
    "PairArrays",
    "ProportionalReportingRatio",
    "RateChange",
    "ReportingOddsRatio",
    "ReportingRateDrift",
    "Rule",
    "RuleExplanation",
    "TriageModel",
    "fit_gamma_mixture",
    "likelihood_ratio_test",
    "load_presets",
    "parse_rules",
    "score_all",
    "score_pairs",
]
