"""The models of a partition: what they learn of a case, what outlives the process, and what metrics show of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cases import Assertion, Case, CaseVersion, DrugRole, DrugUse, Provenance, Reaction, Seriousness, Sex, Term
from streams.metrics import SiteMetrics
from streams.model_metrics import ShownModels, show_models
from streams.online_models import OnlineModels
from streams.partition_book import PartitionBook
from streams.store import PartitionStore, Position, StoreChanges

START = datetime(2025, 1, 6, tzinfo=UTC)
NAMES = ("drift", "triage", "pairs", "quality")


def weekly(weeks: range, *, syncope: int = 1, has_sex: bool = True) -> Iterator[Case]:
    """Twenty cases a week, `syncope` of them of one pair; serious ones among them."""
    rng = random.Random(3)
    for week in weeks:
        for number in range(20):
            at = START + timedelta(weeks=week, hours=8 * number)
            yield Case(
                source="ehr",
                case_id=f"{week}-{number}",
                version=CaseVersion(at),
                patient=f"{week}-{number}",
                received_at=at,
                drugs=(DrugUse(Term("vaccine", Provenance.CODED), DrugRole.SUSPECT),),
                reactions=(
                    Reaction(Term("Syncope" if number < syncope else "Fever", Provenance.CODED), Assertion.PRESENT),
                ),
                seriousness=Seriousness(rng.random() < 0.3),
                sex=Sex.FEMALE if has_sex else Sex.UNKNOWN,
                age_years=rng.uniform(1, 90),
            )


def taken(book: PartitionBook, cases: Iterator[Case]) -> None:
    position = book.store.next_offset("t") or 0
    book.commit(StoreChanges(book=book.prepare(list(cases))), Position("t", position, position + 1))


def snapshots(models: OnlineModels) -> dict[str, object]:
    return {name: getattr(models, name).snapshot() for name in NAMES}


def test_a_restarted_partition_goes_on_with_all_its_models() -> None:
    store = PartitionStore(None)
    book = PartitionBook(store, None)
    taken(book, weekly(range(10)))
    book.save_models()
    taken(book, weekly(range(10, 12)))  # not saved: learned from the log at the next start
    again = PartitionBook(store, None)
    assert snapshots(again.models) == snapshots(book.models)
    assert again.models.triage.serious > 0
    assert again.models.pairs.expected_one(("vaccine", "Syncope")) is not None


@pytest.mark.parametrize("broken", ["absent", "old", "damaged", "elsewhere"])
def test_models_that_cannot_be_used_are_learned_from_the_log_again(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = PartitionStore(None)
    book = PartitionBook(store, None)
    taken(book, weekly(range(6)))
    book.save_models()
    with store._db:
        if broken == "absent":
            store._db.execute("DELETE FROM model WHERE name = 'pairs'")  # as a store of before has it
        elif broken == "elsewhere":
            store._db.execute("UPDATE model SET applied = applied - 1 WHERE name = 'quality'")
        else:
            body = b'{"version": 1, "learned": [1, 2, 3]}' if broken == "old" else b"\x00"
            store._db.execute("UPDATE model SET body = ? WHERE name = 'triage'", (body,))
    assert OnlineModels.load(store)[1] == 0
    assert ("learned from the case log again" in caplog.text) == (broken in ("old", "damaged"))
    again = PartitionBook(store, None)
    assert snapshots(again.models) == snapshots(book.models)


def test_what_models_find_is_counted_once_and_by_source() -> None:
    book = PartitionBook(PartitionStore(None), None)
    taken(book, weekly(range(60)))
    shown, metrics = ShownModels(book.models), SiteMetrics()
    read = metrics.registry.get_sample_value
    show_models(metrics, [shown])
    assert read("kelsey_pair_rate_rises_total") == 0
    assert read("kelsey_source_quality_changes_total", {"source": "ehr", "indicator": "no-sex"}) is None
    score = read("kelsey_source_anomaly_score", {"source": "ehr"})
    assert score is not None
    assert score < 2
    taken(book, weekly(range(60, 70), syncope=10, has_sex=False))
    for _ in range(2):
        show_models(metrics, [shown])
        assert read("kelsey_pair_rate_rises_total") == book.models.pairs.detections == 1
        assert read("kelsey_pairs_with_changed_rate") == 1
        assert read("kelsey_source_quality_changes_total", {"source": "ehr", "indicator": "no-sex"}) == 1
        assert read("kelsey_triage_calibration_error_ratio") == pytest.approx(
            book.models.triage.reliability.calibration_error if book.models.triage.reliability else None
        )
    show_models(metrics, [])
    assert read("kelsey_source_anomaly_score", {"source": "ehr"}) is None


def test_an_unusual_week_raises_the_score_of_its_source() -> None:
    book = PartitionBook(PartitionStore(None), None)
    taken(book, weekly(range(30)))
    taken(book, weekly(range(30, 31), has_sex=False))
    taken(book, weekly(range(31, 32)))
    metrics = SiteMetrics()
    show_models(metrics, [ShownModels(book.models)])
    assert (metrics.registry.get_sample_value("kelsey_source_anomaly_score", {"source": "ehr"}) or 0.0) > 4
