"""`kelsey report`: one page with plots on a table of reports, for a safety officer and an analyst."""

from kelsey.report.page import ReportSummary, write_report
from kelsey.report.settings import ReportSettings

__all__ = ["ReportSettings", "ReportSummary", "write_report"]
