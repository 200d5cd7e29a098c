"""Two years of VAERS through a site's models: they run, stay bounded, and are honest beside their baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Vocabulary
from connectors.vaers import VaersSource
from detectors.online import QualityIndicator
from streams.embedded import EmbeddedSite

pytestmark = pytest.mark.shared_data


def test_vaers_1993_and_1994(shared_data: Path) -> None:
    site = EmbeddedSite(
        site_id="vaers",
        vocabulary=Vocabulary.open(name="published"),
        protocol=None,
        pseudonym_key=b"a key of a test, not a secret one",
        signing_key=None,
        directory=None,
        read_narratives=False,
    )
    files = [shared_data / "vaers" / f"{year}VAERSData.zip" for year in (1993, 1994)]
    for batch in VaersSource(files, name="vaers").batches(None):
        site.take(batch.records)
    pairs, quality, triage = site.pair_rates, site.source_quality, site.triage
    assert pairs.judged > 100_000
    assert pairs.forgotten == 0
    assert pairs.deviance is not None
    assert pairs.baseline_deviance is not None
    assert pairs.deviance < 1.05 * pairs.baseline_deviance  # one year is no season yet
    assert pairs.detections < 0.002 * pairs.judged  # VAERS enters reports in batches
    # a week of March 1994 holds a batch in which every third report has no age
    ages = [change for change in quality.recent_changes if change.indicator is QualityIndicator.NO_AGE]
    assert "1994-03-14" in [change.period_start.isoformat() for change in ages]
    assert triage.reliability is not None
    assert triage.baseline_reliability is not None
    assert triage.reliability.calibration_error < 0.06
    assert triage.reliability.resolution > 10 * triage.baseline_reliability.resolution
    site.close()
