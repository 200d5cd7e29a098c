"""Online models of ours over counts and cases: rates against their season, data quality of sources, calibration."""

from detectors.online.cusum_test import CusumTest
from detectors.online.online_calibration import OnlineCalibration
from detectors.online.page_hinkley_test import PageHinkleyTest
from detectors.online.poisson_cusum import PoissonCusum
from detectors.online.quality_change import QualityChange
from detectors.online.quality_indicator import QualityIndicator
from detectors.online.rate_alarm import RateAlarm
from detectors.online.rate_test import RateTest
from detectors.online.rate_watch import RateWatch
from detectors.online.reliability import Reliability, ReliabilityBin
from detectors.online.seasonal_rates import SeasonalRates
from detectors.online.source_anomaly import SourceAnomaly
from detectors.online.source_quality import SourceQuality
from detectors.online.window_test import WindowTest

__all__ = [
    "CusumTest",
    "OnlineCalibration",
    "PageHinkleyTest",
    "PoissonCusum",
    "QualityChange",
    "QualityIndicator",
    "RateAlarm",
    "RateTest",
    "RateWatch",
    "Reliability",
    "ReliabilityBin",
    "SeasonalRates",
    "SourceAnomaly",
    "SourceQuality",
    "WindowTest",
]
