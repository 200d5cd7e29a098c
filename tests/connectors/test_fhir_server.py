"""Polling a FHIR server over real HTTP: nothing lost, nothing asked twice without need, no token given away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from cases import ConfigurationError, IntegrityError, RawRecord, ServiceError
from connectors import read
from connectors.fhir_server import FhirServerSource
from tests.connectors.fhir_simulator import FhirSimulator, Reply, Request, simulated
from tests.connectors.records import MEDICATION, PATIENT, WARFARIN, event


@pytest.fixture
def server() -> Iterator[FhirSimulator]:
    with simulated() as simulator:
        simulator.put(PATIENT)
        simulator.put(MEDICATION)
        yield simulator


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def source(server: FhirSimulator, waits: list[float]) -> Iterator[FhirServerSource]:
    made = _source(server, waits)
    yield made
    made.close()


def _source(server: FhirSimulator, waits: list[float], **settings: Any) -> FhirServerSource:
    return FhirServerSource(
        server.url, name="ehr", clock=lambda: server.now, sleep=waits.append, page_size=3, **settings
    )


def _fill(server: FhirSimulator, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        server.put(event(id=f"e{number}", meta=None, date="2026-09-01"))
        server.tick(seconds=1)


def _poll(source: FhirServerSource, cursor: str | None) -> tuple[list[RawRecord], str]:
    batches = list(source.batches(cursor))
    return [record for batch in batches for record in batch.records], batches[-1].cursor


def _ids(records: list[RawRecord]) -> list[str]:
    return [f"-{record.record_id}" if record.is_deleted else record.record_id for record in records]


def test_the_first_poll_reads_everything_with_its_references(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 8)
    records, _ = _poll(source, None)
    assert _ids(records) == [f"e{number}" for number in range(8)]
    found = read(records[0])
    assert (found.case_id, found.patient_id, found.sex.value) == ("e0", "fhir:Patient/p1", "female")
    assert found.drugs[0].text == "warfarin"
    assert len(server.asked("Patient/p1")) == len(server.asked("Medication/m1")) == 1


def test_later_polls_read_only_what_changed(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 4)
    _, cursor = _poll(source, None)
    server.tick(minutes=10)
    assert _poll(source, cursor)[0] == []
    server.put(event(id="e2", meta=None, event={"text": "rash"}, date="2026-09-01"))
    server.put(event(id="new", meta=None, date="2026-09-01"))
    records, cursor = _poll(source, cursor)
    assert _ids(records) == ["e2", "new"]
    assert read(records[0]).version.sequence == 2
    assert _poll(source, cursor)[0] == []


def test_the_overlap_repeats_no_version(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 5)
    _, cursor = _poll(source, None)
    for number in range(5, 9):
        _fill(server, 1, number)
        records, cursor = _poll(source, cursor)
        assert _ids(records) == [f"e{number}"]


def test_a_transaction_that_commits_late_is_found(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 2)
    begun = server.now
    server.tick(minutes=2)
    _, cursor = _poll(source, None)
    server.put(event(id="late", meta=None, date="2026-09-01"), stamp=begun)
    server.tick(minutes=1)
    records, cursor = _poll(source, cursor)
    assert _ids(records) == ["late"]


def test_the_window_is_reckoned_from_the_servers_clock(server: FhirSimulator, waits: list[float]) -> None:
    _fill(server, 1)
    ahead = FhirServerSource(
        server.url, name="ehr", clock=lambda: server.now + timedelta(hours=5), sleep=waits.append, page_size=3
    )
    _, cursor = _poll(ahead, None)
    _fill(server, 1, 1)
    assert _ids(_poll(ahead, cursor)[0]) == ["e1"]
    ahead.close()


def test_a_stale_cached_page_delays_but_loses_nothing(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 2)
    _, cursor = _poll(source, None)
    server.tick(seconds=5)
    stale = server.answer(Request("/fhir/AdverseEvent?_lastUpdated=ge2026", {}))
    _fill(server, 1, 2)
    server.tick(minutes=10)  # longer than the overlap
    server.once(stale, lambda request: request.path == "AdverseEvent")
    records, cursor = _poll(source, cursor)
    assert _ids(records) == []
    server.tick(seconds=30)
    assert _ids(_poll(source, cursor)[0]) == ["e2"]
    assert all(request.headers["cache-control"] == "no-cache" for request in server.requests if request.headers)


def test_polls_never_repeat_a_url(server: FhirSimulator, source: FhirServerSource) -> None:
    cursor = None
    for _ in range(4):
        server.tick(seconds=7)
        _, cursor = _poll(source, cursor)
    targets = [request.target for request in server.requests if request.path.startswith("AdverseEvent")]
    assert len(set(targets)) == len(targets)


@pytest.mark.parametrize("status", [404, 410])
def test_an_expired_page_restarts_the_search(server: FhirSimulator, source: FhirServerSource, status: int) -> None:
    _fill(server, 8)
    server.once(Reply(status), lambda request: request.query.get("_page") == "6")
    records, _ = _poll(source, None)
    assert set(_ids(records)) == {f"e{number}" for number in range(8)}


def test_a_server_that_loses_every_page_is_an_error_not_a_loop(server: FhirSimulator, source: FhirServerSource) -> None:
    _fill(server, 8)
    server.faults.append(lambda request: Reply(410) if request.is_page else None)
    with pytest.raises(ServiceError, match="loses its pages"):
        _poll(source, None)
    assert len(server.asked("AdverseEvent")) <= 8


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for(
    server: FhirSimulator, source: FhirServerSource, waits: list[float], status: int, form: str
) -> None:
    _fill(server, 5)
    moment = (server.now + timedelta(seconds=17)).replace(microsecond=0)
    after = "17" if form == "seconds" else format_datetime(moment, usegmt=True)
    server.once(Reply(status, Retry_After=after), lambda request: request.is_page)
    records, _ = _poll(source, None)
    assert _ids(records) == [f"e{number}" for number in range(5)]
    assert waits == [17.0]


def test_waiting_doubles_and_ends(server: FhirSimulator, source: FhirServerSource, waits: list[float]) -> None:
    server.faults.append(lambda request: Reply(502))
    with pytest.raises(ServiceError) as caught:
        _poll(source, None)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert caught.value.retryable


def test_a_server_that_asks_for_an_hour_is_left_alone(
    server: FhirSimulator, source: FhirServerSource, waits: list[float]
) -> None:
    server.faults.append(lambda request: Reply(429, Retry_After="3600"))
    with pytest.raises(ServiceError):
        _poll(source, None)
    assert waits == []
    assert len(server.requests) == 1


def test_no_server_at_all(waits: list[float]) -> None:
    source = FhirServerSource("http://127.0.0.1:9/fhir", name="ehr", sleep=waits.append)
    with pytest.raises(ServiceError, match="ConnectError"):
        _poll(source, None)
    source.close()


class TestToken:
    """The token goes to one server, and is renewed once."""

    def test_it_is_renewed_in_the_middle_of_paging(self, server: FhirSimulator, waits: list[float]) -> None:
        _fill(server, 8)
        asked: list[bool] = []

        def token(renew: bool) -> str:
            asked.append(renew)
            return "second" if any(asked) else "first"

        def expired(request: Request) -> Reply | None:
            is_old = request.headers.get("authorization") != "Bearer second"
            return Reply(401) if request.query.get("_page") == "6" and is_old else None

        server.faults.append(expired)
        source = _source(server, waits, token=token)
        records, _ = _poll(source, None)
        source.close()
        assert _ids(records) == [f"e{number}" for number in range(8)]
        assert asked.count(True) == 1

    def test_a_refused_token_is_a_plain_error(self, server: FhirSimulator, waits: list[float]) -> None:
        server.faults.append(lambda request: Reply(401))
        source = _source(server, waits, token=lambda renew: "wrong")
        with pytest.raises(ServiceError, match="refuses the access token"):
            _poll(source, None)
        assert len(server.requests) == 2
        source.close()

    @pytest.mark.parametrize("way", ["next", "redirect"])
    def test_it_is_never_sent_to_another_server(self, server: FhirSimulator, waits: list[float], way: str) -> None:
        with simulated() as other:
            _fill(server, 5)
            if way == "next":
                page = server.answer(Request("/fhir/AdverseEvent?_count=3", {})).body
                page["link"][1]["url"] = page["link"][1]["url"].replace(server.url, other.url)
                server.once(Reply(200, page), lambda request: request.path == "AdverseEvent")
            else:
                server.once(
                    Reply(307, Location=f"{other.url}/AdverseEvent"), lambda request: request.path == "AdverseEvent"
                )
            source = _source(server, waits, token=lambda renew: "secret")
            with pytest.raises(ServiceError, match="another server"):
                _poll(source, None)
            source.close()
            assert other.requests == []

    def test_references_to_another_server_are_not_followed(self, server: FhirSimulator, waits: list[float]) -> None:
        with simulated() as other:
            other.put(MEDICATION)
            pointer = {"reference": f"{other.url}/Medication/m1", "display": "warfarin"}
            server.put(event(id="x", meta=None, date="2026-09-01", suspectEntity=[{"instance": pointer}]))
            source = _source(server, waits, token=lambda renew: "secret")
            records, _ = _poll(source, None)
            source.close()
            assert read(records[0]).drugs[0].is_display_only
            assert other.requests == []

    def test_a_redirect_on_the_same_server_is_followed(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 1)
        server.once(Reply(307, Location="/fhir/AdverseEvent?_count=9"), lambda request: request.path == "AdverseEvent")
        assert _ids(_poll(source, None)[0]) == ["e0"]


class TestDeletions:
    """Search never tells of them."""

    def test_by_history(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 4)
        _, cursor = _poll(source, None)
        server.tick(minutes=1)
        server.delete("AdverseEvent/e1")
        records, cursor = _poll(source, cursor)
        assert _ids(records) == ["-e1"]
        gone = read(records[0])
        assert (gone.is_nullified, gone.version.sequence, gone.version.updated_at) == (True, 2, server.now)
        server.tick(seconds=30)
        assert _poll(source, cursor)[0] == []

    def test_deleted_and_made_anew(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 2)
        _, cursor = _poll(source, None)
        server.delete("AdverseEvent/e1")
        server.tick(seconds=1)
        server.put(event(id="e1", meta=None, date="2026-09-01"))
        records, _ = _poll(source, cursor)
        versions = {record.is_deleted: read(record).version for record in records}
        assert versions[False] > versions[True]

    def test_without_history_by_reconciliation(self, server: FhirSimulator, source: FhirServerSource) -> None:
        server.has_history = False
        _fill(server, 8)
        records, cursor = _poll(source, None)
        known = _ids(records)
        server.delete("AdverseEvent/e1")
        server.delete("AdverseEvent/e7")
        assert _poll(source, cursor)[0] == []
        assert _ids(list(source.reconcile(known))) == ["-e1", "-e7"]

    def test_reconciliation_checks_each_before_it_deletes(
        self, server: FhirSimulator, source: FhirServerSource
    ) -> None:
        _fill(server, 3)
        empty = {"resourceType": "Bundle", "type": "searchset", "entry": []}
        server.once(Reply(200, empty), lambda request: request.path == "AdverseEvent")
        assert source.reconcile(["e0", "e1", "e2"]) == ()


class TestCursor:
    """A crash between any two batches loses nothing."""

    def test_every_cursor_gives_the_rest(
        self, server: FhirSimulator, source: FhirServerSource, waits: list[float]
    ) -> None:
        _fill(server, 10)
        first = list(source.batches(None))
        cursor = first[-1].cursor
        server.tick(minutes=1)
        _fill(server, 7, 10)
        server.delete("AdverseEvent/e3")
        server.delete("AdverseEvent/e12")
        for begin, expected in (
            (None, {f"e{n}" for n in range(17)} - {"e3", "e12"}),
            (cursor, {f"e{n}" for n in range(10, 17)} - {"e12"} | {"-e3", "-e12"}),
        ):
            whole = list(source.batches(begin))
            for cut in range(len(whole)):
                again = _source(server, waits)
                before = [record for batch in whole[: cut + 1] for record in batch.records]
                after = [record for batch in again.batches(whole[cut].cursor) for record in batch.records]
                again.close()
                assert set(_ids(before + after)) >= expected

    def test_a_page_that_expired_while_the_site_was_down(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 8)
        steps = source.batches(None)
        done = [next(steps)]
        server.once(Reply(410), lambda request: request.query.get("_page") == "3")
        rest = [record for batch in source.batches(done[0].cursor) for record in batch.records]
        assert {*_ids(list(done[0].records)), *_ids(rest)} == {f"e{number}" for number in range(8)}

    def test_a_cursor_of_another_source_is_refused(self, source: FhirServerSource) -> None:
        with pytest.raises(IntegrityError):
            _poll(source, "17")

    def test_it_stays_small(self, server: FhirSimulator, source: FhirServerSource) -> None:
        server.page_size = 400
        for number in range(3000):
            server.put(event(id=f"e{number}", meta=None, date="2026-09-01", suspectEntity=[{"instance": WARFARIN}]))
            server.tick(seconds=1)
        _, cursor = _poll(source, None)
        assert len(cursor) < 40_000


class TestPages:
    """What pages do."""

    def test_a_next_link_that_never_ends(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 2)
        count = iter(range(1000))

        def endless(request: Request) -> Reply | None:
            if request.path != "AdverseEvent":
                return None
            page = server._search(Request("/fhir/AdverseEvent?_count=3", {}))
            if request.is_page:
                page["entry"] = []
            page["link"].append({"relation": "next", "url": f"{server.url}/AdverseEvent?_count=3&_page={next(count)}"})
            return Reply(200, page)

        server.faults.append(endless)
        records, _ = _poll(source, None)
        assert _ids(records) == ["e0", "e1"]
        assert len(server.asked("AdverseEvent")) < 8

    def test_a_next_link_to_itself(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 2)
        page = server.answer(Request("/fhir/AdverseEvent?_count=3", {})).body
        page["link"].append({"relation": "next", "url": f"{server.url}/AdverseEvent?_count=3&_page=3"})
        server.faults.append(lambda request: Reply(200, page) if request.path == "AdverseEvent" else None)
        assert set(_ids(_poll(source, None)[0])) == {"e0", "e1"}

    def test_pages_that_shift_under_an_update(self, server: FhirSimulator, source: FhirServerSource) -> None:
        _fill(server, 8)
        touched: list[str] = []

        def shift(request: Request) -> Reply | None:
            if request.path == "AdverseEvent" and not request.is_page:
                page = server._search(request)
                page["total"] = 8
                return Reply(200, page)
            if request.query.get("_page") == "3" and not touched:
                touched.append("e0")  # moves to the end, so that e3 slips onto the page before
                server.put(event(id="e0", meta=None, date="2026-09-01"))
                page = server._search(request)
                page["entry"] = page["entry"][:2]  # and the server drops one more
                return Reply(200, page)
            return None

        server.faults.append(shift)
        records, _ = _poll(source, None)
        assert set(_ids(records)) == {f"e{number}" for number in range(8)}

    def test_included_resources_are_used_and_not_asked_for(
        self, server: FhirSimulator, source: FhirServerSource
    ) -> None:
        _fill(server, 1)
        page = server.answer(Request("/fhir/AdverseEvent?_count=3", {})).body
        page["entry"] += [
            {"fullUrl": f"{server.url}/Patient/p1", "resource": PATIENT, "search": {"mode": "include"}},
            {"fullUrl": f"{server.url}/Medication/m1", "resource": MEDICATION, "search": {"mode": "include"}},
            {"resource": {"resourceType": "OperationOutcome", "issue": []}, "search": {"mode": "outcome"}},
        ]
        server.once(Reply(200, page), lambda request: request.path == "AdverseEvent")
        batches = list(source.batches(None))
        assert read(batches[0].records[0]).sex.value == "female"
        assert dict(batches[0].skipped) == {"context": 2, "not-adverse-event": 1}
        assert server.asked("Patient/p1") == []


class TestReferences:
    """Asked for once, from this server alone, and not for ever."""

    def test_by_identifier_once(self, server: FhirSimulator, source: FhirServerSource) -> None:
        server.put({**MEDICATION, "id": "m9", "identifier": [{"system": "urn:o", "value": "9"}]})
        pointer = {"type": "Medication", "identifier": {"system": "urn:o", "value": "9"}}
        for name in ("a", "b"):
            server.put(event(id=name, meta=None, date="2026-09-01", suspectEntity=[{"instance": pointer}]))
        records, _ = _poll(source, None)
        assert [read(record).drugs[0].text for record in records] == ["warfarin"] * 2
        assert len(server.asked("Medication")) == 1

    def test_what_is_gone_is_asked_for_once(self, server: FhirSimulator, source: FhirServerSource) -> None:
        pointer = {"reference": "Medication/gone"}
        for name in ("a", "b", "c"):
            server.put(event(id=name, meta=None, date="2026-09-01", suspectEntity=[{"instance": pointer}]))
        records, _ = _poll(source, None)
        assert len(records) == 3
        assert len(server.asked("Medication/gone")) == 1

    def test_a_hundred_references_are_capped(self, server: FhirSimulator, source: FhirServerSource) -> None:
        suspects = [{"instance": {"reference": f"Medication/x{number}"}} for number in range(200)]
        for number in range(200):
            server.put({**MEDICATION, "id": f"x{number}"})
        server.put(event(id="many", meta=None, date="2026-09-01", suspectEntity=suspects))
        assert _ids(_poll(source, None)[0]) == ["many"]
        assert sum(request.path.startswith("Medication/") for request in server.requests) <= 64

    def test_a_corrected_medication_is_read_anew_by_the_next_poll(
        self, server: FhirSimulator, source: FhirServerSource
    ) -> None:
        _fill(server, 1)
        _, cursor = _poll(source, None)
        server.put({**MEDICATION, "code": {"text": "rivaroxaban"}})
        _fill(server, 1, 1)
        (record,), _ = _poll(source, cursor)
        assert read(record).drugs[0].text == "rivaroxaban"

    def test_only_what_the_reader_needs_is_asked_for(self, server: FhirSimulator, source: FhirServerSource) -> None:
        server.put(event(id="x", meta=None, date="2026-09-01", recorder={"reference": "Practitioner/d"}))
        _poll(source, None)
        assert server.asked("Practitioner/d") == []


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (lambda server: setattr(server, "has_adverse_event", False), ConfigurationError, "no search for AdverseEvent"),
        (lambda server: server.faults.append(lambda request: Reply(403)), ConfigurationError, "forbids"),
        (lambda server: server.faults.append(lambda request: Reply(404)), ServiceError, "no /metadata"),
        (lambda server: server.faults.append(lambda request: Reply(200, b"<html>")), ServiceError, "no FHIR JSON"),
        (lambda server: server.faults.append(lambda request: Reply(200, [])), ServiceError, "no CapabilityStatement"),
        (
            lambda server: server.faults.append(
                lambda request: Reply(200, {"resourceType": "Patient"}) if request.path == "AdverseEvent" else None
            ),
            ServiceError,
            "something else than a Bundle",
        ),
        (
            lambda server: server.faults.append(
                lambda request: Reply(200, b'{"resourceType": "Bund') if request.path == "AdverseEvent" else None
            ),
            ServiceError,
            "no FHIR JSON",
        ),
    ],
)
def test_what_a_server_can_get_wrong(
    server: FhirSimulator, source: FhirServerSource, prepare: Any, error: type[Exception], message: str
) -> None:
    prepare(server)
    with pytest.raises(error, match=message):
        _poll(source, None)


def test_an_operation_outcome_is_told_by_its_codes_alone(server: FhirSimulator, source: FhirServerSource) -> None:
    issue = {"severity": "error", "code": "not-supported", "diagnostics": "patient Jane Canary"}
    refusal = {"resourceType": "OperationOutcome", "issue": [issue]}
    server.faults.append(lambda request: Reply(400, refusal) if request.path == "AdverseEvent" else None)
    with pytest.raises(ConfigurationError) as caught:
        _poll(source, None)
    assert "not-supported" in str(caught.value)
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x/fhir", "fhir.example/r4", "https://user:pw@x/fhir", "https://x/fhir?a=1", ""])
def test_a_base_url_that_cannot_be(url: str) -> None:
    with pytest.raises(ConfigurationError, match="url must be"):
        FhirServerSource(url, name="ehr")


@pytest.mark.parametrize("settings", [{"overlap": timedelta(0)}, {"page_size": 0}])
def test_parameters_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        FhirServerSource("https://fhir.example/r4", name="ehr", **settings)


def test_no_log_holds_a_patients_id_a_token_or_a_word_of_a_record(
    server: FhirSimulator, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.put({**PATIENT, "id": "canary-4711", "name": [{"family": "Canaryfield"}]})
    pointers = [{"reference": "Patient/canary-4711"}, {"type": "Patient", "identifier": {"value": "canary-mrn"}}]
    for number, subject in enumerate(pointers):
        server.put(event(id=f"c{number}", meta=None, date="2026-09-01", subject=subject))
    server.once(Reply(503), lambda request: request.path.startswith("Patient"))
    source = _source(server, waits, token=lambda renew: "canary-token")
    records, _ = _poll(source, None)
    source.close()
    assert len(records) == 2
    assert caplog.text
    assert "canary" not in caplog.text.lower()


@pytest.mark.parametrize("reference", ["Medication/..", "Medication/./..", "Medication/%2e%2e", "Medication/a b"])
def test_odd_ids_lead_nowhere_else(server: FhirSimulator, source: FhirServerSource, reference: str) -> None:
    pointer = {"reference": reference, "display": "warfarin"}
    server.put(event(id="x", meta=None, date="2026-09-01", suspectEntity=[{"instance": pointer}]))
    records, _ = _poll(source, None)
    assert read(records[0]).drugs[0].is_display_only
    assert {request.path.partition("/")[0] for request in server.requests} <= {
        "metadata",
        "AdverseEvent",
        "Medication",
        "Patient",
    }


@pytest.mark.parametrize("link", ["http://[broken", "::", "/fhir/AdverseEvent?_count=3&_page=3", "?_page=3"])
def test_links_that_are_odd(server: FhirSimulator, source: FhirServerSource, link: str) -> None:
    _fill(server, 5)
    page = server.answer(Request("/fhir/AdverseEvent?_count=3", {})).body
    page["link"][1]["url"] = link
    server.once(Reply(200, page), lambda request: request.path == "AdverseEvent")
    if "broken" in link:
        with pytest.raises(ServiceError, match="no URL"):
            _poll(source, None)
    else:
        assert set(_ids(_poll(source, None)[0])) == {f"e{number}" for number in range(5)}
