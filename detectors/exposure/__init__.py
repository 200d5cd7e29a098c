"""Reports per exposure, where it is known how much of each drug was given: rates and their ratio to other drugs."""

from detectors.exposure.exposure_rate_ratio import ExposureRateRatio, exposure_rate_ratio
from detectors.exposure.reporting_rate import ReportingRate, reporting_rate

__all__ = ["ExposureRateRatio", "ReportingRate", "exposure_rate_ratio", "reporting_rate"]
