"""VAERS: order of receipt across files, everything accounted for, read as the data guide says."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from cases import ConfigurationError, RawRecord, RecordError, Seriousness, SeriousnessCriterion, Sex
from connectors import read
from connectors.vaers import VaersSource
from tests.connectors.records import draft, outcome
from tests.connectors.vaers_files import write_year


def _records(*paths: Path) -> list[RawRecord]:
    return [record for batch in VaersSource(paths, name="vaers").batches(None) for record in batch.records]


class TestSource:
    """Order, joins and damage."""

    def test_order_is_by_day_then_id_whatever_the_order_of_files(self, tmp_path: Path) -> None:
        days = {"b": "07/03/1990", "a": "07/03/1990", "d": "07/01/1990", "c": "12/31/1990"}
        later = {"e": "07/02/1990", "f": "01/05/1991"}
        files = [
            write_year(tmp_path / "1.zip", "1990", list(days.items())),
            write_year(tmp_path / "2.zip", "1991", list(later.items())),
        ]
        for order in permutations(files):
            found = _records(*order)
            assert [record.record_id for record in found] == ["d", "e", "a", "b", "c", "f"]
            moments = [record.received_at for record in found]
            assert moments == sorted(moments)
        assert found[0].received_at.isoformat() == "1990-07-01T00:00:00+00:00"

    @pytest.mark.parametrize("order", list(permutations(("VAX", "SYMPTOMS", "DATA"))))
    def test_members_may_come_in_any_order(self, tmp_path: Path, order: tuple[str, ...]) -> None:
        path = write_year(tmp_path / "1.zip", "1990", [("1", "07/01/1990")], order=order)
        found = read(_records(path)[0])
        assert (found.drugs[0].text, [reaction.text for reaction in found.reactions]) == (
            "MEASLES (MMR II)",
            ["Rash", "Pyrexia"],
        )
        assert found.narrative == "café 1"

    def test_one_archive_may_hold_many_years(self, tmp_path: Path) -> None:
        both = tmp_path / "all.zip"
        with zipfile.ZipFile(both, "w") as target:
            for year, day in (("1991", "01/02/1991"), ("1990", "07/01/1990")):
                path = write_year(tmp_path / f"{year}.zip", year, [(year, day)])
                with zipfile.ZipFile(path) as archive:
                    for member in archive.namelist():
                        target.writestr(f"folder/{member}", archive.read(member))
        assert [record.record_id for record in _records(both)] == ["1990", "1991"]

    def test_what_cannot_be_joined_is_kept_and_counted(self, tmp_path: Path) -> None:
        path = write_year(
            tmp_path / "1.zip",
            "1990",
            [("1", "07/01/1990"), ("2", "07/02/1990")],
            vax=[("1", "MMR", "MMR II"), ("8", "MMR", "MMR II")],
            symptoms=[("1", "Rash", "", "", ""), ("2", "Rash", "", "", ""), ("9", "Rash", "", "", "")],
        )
        reasons = Counter((record.record_id, _outcome(record)) for record in _records(path))
        assert reasons == {
            ("1", "case"): 1,
            ("2", "no-drug"): 1,
            ("8", "invalid-structure"): 1,
            ("9", "invalid-structure"): 1,
        }

    def test_rows_of_a_wrong_shape_or_date(self, tmp_path: Path) -> None:
        good = ("1", "07/01/1990", "AR", "3", "F", "text", "", "", "")
        rows = [good, ("2", "1990-07-01", *good[2:]), ("3", "07/01/1990", "AR"), (*good, "too", "many")]
        rows[3] = ("4", *rows[3][1:])
        path = write_year(tmp_path / "1.zip", "1990", [(name, "") for name in ("1", "2", "3", "4")], data=rows)
        assert {record.record_id: _outcome(record) for record in _records(path)} == {
            "1": "case",
            "2": "invalid-date",
            "3": "invalid-structure",
            "4": "invalid-structure",
        }

    def test_duplicate_ids(self, tmp_path: Path) -> None:
        row = ("1", "07/01/1990", "AR", "3", "F", "text", "", "", "")
        rows = [row, row, (*row[:5], "another text", *row[6:]), ("1", "07/09/1990", *row[2:])]
        path = write_year(tmp_path / "1.zip", "1990", [("1", "")], data=rows)
        found = _records(path)
        assert [_outcome(record) for record in found] == ["case", "case", "duplicate-id", "case"]
        assert found[0].payload == found[1].payload
        assert read(found[3]).version > read(found[0]).version

    def test_a_table_that_breaks_off(self, tmp_path: Path) -> None:
        reports = [(f"{n:06d}", "07/01/1990") for n in range(3000)]
        path = write_year(tmp_path / "1.zip", "1990", reports)
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("1990VAERSSYMPTOMS.csv")
        body = bytearray(path.read_bytes())
        middle = entry.header_offset + 60 + entry.compress_size // 2
        body[middle : middle + 30] = b"\xff" * 30
        path.write_bytes(body)
        reasons = Counter(map(_outcome, _records(path)))
        assert reasons["truncated"] == 1
        assert reasons["case"] + reasons["no-reaction"] == 3000

    @pytest.mark.parametrize("damage", ["missing", "not a zip", "no tables", "two tables", "no column"])
    def test_what_is_no_vaers_archive_is_said_plainly(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "1.zip"
        if damage == "not a zip":
            path.write_bytes(b"VAERS_ID,RECVDATE\n")
        elif damage == "no tables":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("readme.txt", "nothing")
        elif damage == "two tables":
            write_year(path, "1990", [("1", "07/01/1990")], order=("VAX", "DATA"))
        elif damage == "no column":
            with zipfile.ZipFile(path, "w") as archive:
                for table in ("DATA", "VAX", "SYMPTOMS"):
                    archive.writestr(f"1990VAERS{table}.csv", "ID,DAY\n1,2\n")
        with pytest.raises(ConfigurationError, match=r"1\.zip"):
            _records(path)

    def test_a_year_added_later_is_replayed_too(self, tmp_path: Path) -> None:
        first = write_year(tmp_path / "1.zip", "1991", [("5", "01/05/1991")])
        cursor = list(VaersSource([first], name="vaers").batches(None))[-1].cursor
        older = write_year(tmp_path / "2.zip", "1990", [("1", "07/01/1990")])
        rest = [
            record for batch in VaersSource([first, older], name="vaers").batches(cursor) for record in batch.records
        ]
        assert [record.record_id for record in rest] == ["1"]


class TestReader:
    """Read as the data guide says."""

    @staticmethod
    def _payload(**data: str) -> dict[str, Any]:
        return {
            "data": {"VAERS_ID": "041007", **data},
            "vax": [{"VAX_NAME": " DTP (NO BRAND NAME) "}, {"VAX_NAME": "DTP (NO BRAND NAME)"}, {"VAX_TYPE": "X"}],
            "symptoms": [{"SYMPTOM1": "Rash", "SYMPTOM5": "Fever"}, {"SYMPTOM1": "Rash", "SYMPTOM2": "Crying"}],
        }

    def test_a_report(self) -> None:
        found = draft(self._payload(SEX="F", AGE_YRS="0.5", ONSET_DATE="09/09/2026"), format="vaers")
        assert (found.case_id, found.patient_id) == ("041007", "vaers:041007")
        assert [drug.text for drug in found.drugs] == ["DTP (NO BRAND NAME)"]
        assert [reaction.text for reaction in found.reactions] == ["Rash", "Fever", "Crying"]
        assert (found.sex, found.age_years, found.event_date) == (Sex.FEMALE, 0.5, "2026-09-09")
        assert found.country is None

    @pytest.mark.parametrize(
        ("flags", "expected"),
        [
            ({}, Seriousness(False)),
            ({"DIED": "Y"}, Seriousness.of(SeriousnessCriterion.DEATH)),
            (
                {"HOSPITAL": "Y", "X_STAY": "Y", "L_THREAT": "Y"},
                Seriousness.of(SeriousnessCriterion.LIFE_THREATENING, SeriousnessCriterion.HOSPITALISATION),
            ),
            ({"DISABLE": "Y"}, Seriousness.of(SeriousnessCriterion.DISABILITY)),
            ({"BIRTH_DEFECT": "Y"}, Seriousness.of(SeriousnessCriterion.CONGENITAL_ANOMALY)),
            ({"ER_VISIT": "Y", "RECOVD": "N"}, Seriousness(False)),
        ],
    )
    def test_seriousness(self, flags: dict[str, str], expected: Seriousness) -> None:
        assert draft(self._payload(**flags), format="vaers").seriousness == expected

    @pytest.mark.parametrize(
        ("data", "age"),
        [
            ({"AGE_YRS": "13.3"}, 13.3),
            ({"CAGE_YR": "1", "CAGE_MO": ".5"}, 1.5),
            ({"CAGE_MO": ".1"}, 0.1),
            ({"AGE_YRS": "200"}, None),
            ({"AGE_YRS": "-1"}, None),
            ({"AGE_YRS": "nan"}, None),
            ({"AGE_YRS": "old"}, None),
            ({}, None),
        ],
    )
    def test_age(self, data: dict[str, str], age: float | None) -> None:
        assert draft(self._payload(**data), format="vaers").age_years == age

    @pytest.mark.parametrize("onset", ["09/09/2071", "31/12/2020", "x", ""])
    def test_an_onset_that_cannot_be_is_left_out(self, onset: str) -> None:
        assert draft(self._payload(ONSET_DATE=onset), format="vaers").event_date is None

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            ({"data": {}, "vax": [], "symptoms": []}, "missing-id"),
            ({"data": {"VAERS_ID": "1"}}, "no-drug"),
            ({"data": {"VAERS_ID": "1"}, "vax": [{"VAX_NAME": "MMR"}]}, "no-reaction"),
            ({"data": 7}, "invalid-structure"),
            ([], "invalid-structure"),
            (b"{", "invalid-json"),
            (b'{"data": {"VAERS_ID": "\xe9"}}', "invalid-encoding"),
        ],
    )
    def test_reasons(self, payload: Any, reason: str) -> None:
        assert outcome(payload, format="vaers") == reason

    def test_a_five_megabyte_text_is_oversized(self) -> None:
        assert outcome(self._payload(SYMPTOM_TEXT="fever " * 1_000_000), format="vaers") == "oversized"


def _outcome(record: RawRecord) -> str:
    try:
        read(record)
    except RecordError as error:
        return error.reason
    return "case"


def _ids_by_hand(path: Path) -> set[str]:
    """The ids of all three tables, read by nothing of ours."""
    ids = set()
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            rows = csv.DictReader(io.StringIO(archive.read(member).decode("latin-1")))
            ids |= {row["VAERS_ID"] for row in rows}
    return ids


def test_a_published_year_adds_up(shared_data: Path) -> None:
    path = shared_data / "vaers" / "1990VAERSData.zip"
    found = _records(path)
    assert {record.record_id for record in found} == _ids_by_hand(path)
    assert Counter(map(_outcome, found)) == {"case": 2106}
    drafts = [read(record) for record in found]
    assert sum(draft.seriousness.is_serious is True for draft in drafts) == 2106 - 1663
    assert all(draft.narrative for draft in drafts[:50])


def test_all_published_years_in_order_and_fast(shared_data: Path) -> None:
    paths = sorted((shared_data / "vaers").glob("*.zip"), reverse=True)
    expected = sum(len(_ids_by_hand(path)) for path in paths)
    start = time.process_time()
    last, count = "", 0
    for batch in VaersSource(paths, name="vaers").batches(None):
        for record in batch.records:
            moment = record.received_at.isoformat()
            assert moment >= last
            last, count = moment, count + 1
    spent = time.process_time() - start
    assert count == expected
    assert count / spent > 5_000  # 25,000 a second on a quiet core; a shared one may be slower, not by this much
