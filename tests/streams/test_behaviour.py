"""What a site does, whichever way it runs. Every test uses a prefix of its own, as the site is shared."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import msgspec

from cases import DeadLetterReason, RawRecord
from tests.streams.conftest import SiteUnderTest
from tests.streams.play import START, Entry, disordered, random_play, tables


def _taken(site: SiteUnderTest, entries: list[Entry]) -> None:
    site.take([entry.record() for entry in entries])


def test_a_disordered_play_is_counted_like_a_batch(site: SiteUnderTest) -> None:
    play = random_play(1, cases=800, prefix="a.")
    _taken(site, disordered(play, 2))
    assert site.tables("a.")[:3] == tables(play)[:3]
    site.tally().check()


def test_delivering_everything_again_changes_nothing(site: SiteUnderTest) -> None:
    play = random_play(3, cases=100, prefix="b.")
    _taken(site, play)
    counted, tally = site.tables("b."), msgspec.structs.replace(site.tally())
    _taken(site, play)
    assert site.tables("b.") == counted
    assert site.tally().cases == tally.cases
    assert site.tally().read == tally.read + len(play)
    site.tally().check()


def test_a_restart_keeps_everything_and_goes_on(site: SiteUnderTest) -> None:
    play = random_play(5, cases=200, prefix="c.")
    _taken(site, play[: len(play) // 2])
    site.restart()
    _taken(site, play[len(play) // 2 :])
    assert site.tables("c.")[:3] == tables(play)[:3]
    site.tally().check()


def test_a_deletion_that_names_nobody_finds_its_patient(site: SiteUnderTest) -> None:
    _taken(site, [Entry("d.1", 1, "d.ann", ("d.x",), ("d.r",)), Entry("d.2", 1, "d.bo", ("d.x",), ("d.r",))])
    assert site.tables("d.")[0] == Counter({("d.x", "d.r"): 2})
    _taken(site, [Entry("d.1", 2, "", is_deleted=True)])
    assert site.tables("d.")[0] == Counter({("d.x", "d.r"): 1})


def test_a_case_nullified_before_it_was_seen_is_never_counted(site: SiteUnderTest) -> None:
    before = dict(site.tally().ignored)
    _taken(site, [Entry("e.1", 2, "e.ann"), Entry("e.2", 2, "", is_deleted=True)])
    _taken(site, [Entry("e.1", 1, "e.ann", ("e.x",), ("e.r",)), Entry("e.2", 1, "e.bo", ("e.x",), ("e.r",))])
    assert site.tables("e.")[0] == Counter()
    after = site.tally().ignored
    assert after["nullified-before-seen"] - before.get("nullified-before-seen", 0) == 2
    assert after["entered-in-error"] - before.get("entered-in-error", 0) == 2
    _taken(site, [Entry("e.1", 3, "e.ann", ("e.x",), ("e.r",))])
    assert site.tables("e.")[0] == Counter({("e.x", "e.r"): 1})


def test_a_case_can_move_to_another_patient_and_back(site: SiteUnderTest) -> None:
    for number, patient in enumerate(("f.a", "f.b", "f.c", "f.a"), start=1):
        _taken(site, [Entry("f.1", number, patient, ("f.x",), ("f.r",))])
        assert site.tables("f.")[0] == Counter({("f.x", "f.r"): 1})
    _taken(site, [Entry("f.1", 5, "f.a")])
    assert site.tables("f.")[0] == Counter()


def test_an_event_that_turns_out_a_near_miss_does_not_stay_counted(site: SiteUnderTest) -> None:
    entry = Entry("h.1", 1, "h.ann", ("h.x",), ("h.r",))
    _taken(site, [entry])
    newer = Entry("h.1", 2, "h.ann", ("h.x",), ("h.r",)).record()
    event = json.loads(newer.payload) | {"actuality": "potential"}
    site.take([msgspec.structs.replace(newer, payload=json.dumps(event).encode())])
    assert site.tables("h.")[0] == Counter()
    site.tally().check()


def test_bad_records_are_kept_with_a_reason_and_the_next_one_is_counted(site: SiteUnderTest) -> None:
    good = Entry("g.good", 1, "g.ann", ("g.x",), ("g.r",))
    payload = json.loads(good.record().payload)
    later = (START + timedelta(days=4000)).isoformat()
    bad: dict[str, tuple[bytes, DeadLetterReason]] = {
        "g.encoding": (b'{"resourceType":"AdverseEvent","id":"\xff\xfe"}', DeadLetterReason.INVALID_ENCODING),
        "g.json": (b'{"resourceType":"AdverseEvent",', DeadLetterReason.INVALID_JSON),
        "g.type": (b'{"resourceType":"Observation","id":"g.type"}', DeadLetterReason.WRONG_RESOURCE_TYPE),
        "g.subject": (json.dumps({**payload, "subject": None}).encode(), DeadLetterReason.MISSING_SUBJECT),
        "g.future": (json.dumps({**payload, "occurrenceDateTime": later}).encode(), DeadLetterReason.FUTURE_DATE),
        "g.deep": (b"[" * 100_000, DeadLetterReason.INVALID_JSON),
    }
    records = [
        RawRecord(source="ward", record_id=name, format="fhir", payload=content, received_at=START)
        for name, (content, _) in bad.items()
    ]
    records.append(
        RawRecord(
            source="ward", record_id="g.cut", format="fhir", payload=b"\x1f\x8b", received_at=START, fault="truncated"
        )
    )
    site.take([*records, good.record()])
    letters = {letter.record_id: letter for letter in site.dead_letters() if letter.record_id.startswith("g.")}
    assert {name: letter.reason for name, letter in letters.items()} == {
        **{name: str(reason) for name, (_, reason) in bad.items()},
        "g.cut": "truncated",
    }
    assert site.tables("g.")[0] == Counter({("g.x", "g.r"): 1})
    site.tally().check()


def test_two_records_under_one_id_and_version_are_not_guessed_between(site: SiteUnderTest) -> None:
    first = Entry("i.1", 1, "i.ann", ("i.x",), ("i.r",))
    _taken(site, [first, first, Entry("i.1", 1, "i.ann", ("i.y",), ("i.r",))])
    (letter,) = [letter for letter in site.dead_letters() if letter.record_id == "i.1"]
    assert letter.reason == "duplicate-id"
    assert json.loads(letter.payload)["id"] == "i.1"
    assert site.tables("i.")[0] == Counter({("i.x", "i.r"): 1})


def test_a_narrative_of_five_megabytes_is_kept_as_a_dead_letter(site: SiteUnderTest) -> None:
    record = Entry("j.1", 1, "j.ann", ("j.x",), ("j.r",)).record()
    event = json.loads(record.payload) | {"text": {"div": f"<div>{'word ' * 1_000_000}</div>"}}
    payload = json.dumps(event)
    site.take([msgspec.structs.replace(record, payload=payload.encode())])
    (letter,) = [letter for letter in site.dead_letters() if letter.record_id == "j.1"]
    assert letter.reason == "oversized"
    assert letter.payload == payload
    site.tally().check()
