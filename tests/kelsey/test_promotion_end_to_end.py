"""A pair without a cell of its own, from the reports of sites to an SDR of the next era, in both trust modes."""

from __future__ import annotations

import io
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import RawRecord
from detectors.rules import Rule
from hub.flag_shelf import read_flagged
from kelsey.federation import Federation
from kelsey.player import Player
from kelsey.promotion import promote, read_report
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite
from tests.privacy.examples import with_buckets
from tests.streams.make import KEY, vocabulary
from tests.streams.play import Entry

DRUGS = tuple(f"drug {number}" for number in range(12))
REACTIONS = tuple(f"reaction {number}" for number in range(10))
ACTIVE = [10 * drug + reaction for drug in range(12) for reaction in range(10) if (drug + 1) * (reaction + 1) <= 30]
PAIR = (DRUGS[9], REACTIONS[8])
SITES = tuple(f"site-{number}" for number in range(5))
RULES: dict[str, Rule] = {}
TRUST: dict[str, dict[str, Any]] = {
    "per-site": {},
    "secure-sum": {"trust_mode": "secure-sum", "minimum_cohort": 5, "honest_fraction": 0.8},
}


def first_era(trust: str) -> SurveillanceProtocol:
    return with_buckets(
        ACTIVE, buckets=32, drugs=DRUGS, reactions=REACTIONS, era="2026", rules=("noise-aware-z",), epsilon=5.0,
        vocabulary=vocabulary().label, calendar=EpochCalendar("month", date(2026, 1, 1), 2), **TRUST[trust],
    )  # fmt: skip


def records(start: datetime) -> list[tuple[str, RawRecord]]:
    """Reports of all sites in two months: popular names and rare ones, and one pair far too often."""
    chance, out = random.Random(11), []
    for site in SITES:
        for number in range(300):
            is_signal = number < 25
            drugs = [PAIR[0]] if is_signal else chance.choices(DRUGS, [1 / (n + 1) for n in range(12)], k=2)
            reactions = [PAIR[1]] if is_signal else chance.choices(REACTIONS, [1 / (n + 1) for n in range(10)], k=2)
            entry = Entry(f"{site}-{number}", 1, f"{site}-p{number}", tuple({*drugs}), tuple({*reactions}))
            at = start + timedelta(days=chance.randrange(58))
            out.append((site, entry.record(received_at=at)))
    return sorted(out, key=lambda each: each[1].received_at)


def play(protocol: SurveillanceProtocol) -> Federation:
    """The era through sites, gates, aggregators where there are any, and hub."""
    keys = {name: Ed25519PrivateKey.generate() for name in SITES}
    sites = {
        name: EmbeddedSite(
            site_id=name, vocabulary=vocabulary(), protocol=protocol, pseudonym_key=KEY, signing_key=key,
            directory=None, read_narratives=False, random_bytes=np.random.default_rng(number).bytes,
        )
        for number, (name, key) in enumerate(keys.items())
    }  # fmt: skip
    federation = Federation(
        calendar=protocol.calendar, rules=RULES, protocol=protocol, releases=io.BytesIO(),
        site_keys={name: key.public_key() for name, key in keys.items()},
    )  # fmt: skip
    start = datetime.combine(protocol.calendar.start, datetime.min.time(), UTC)
    for epoch in Player(sites, calendar=protocol.calendar, rules=RULES).play(records(start)):
        federation.observe([epoch])
    for site in sites.values():
        site.close()
    return federation


@pytest.mark.parametrize("trust", TRUST)
def test_a_flagged_pair_is_an_sdr_of_the_next_era(trust: str, tmp_path: Path) -> None:
    now = first_era(trust)
    first = play(now)
    assert first.hub is not None and first.hub_view is not None
    cell = now.cell(*PAIR)
    assert cell is not None and now.layout.own_position(cell) is None
    assert PAIR not in first.hub_log.first and all(each.n_sd > 2 for each in first.hub_view.residual)
    with first.hub.store.read() as connection:
        report = read_flagged(connection, now)
    assert report.epoch == 1 and now.layout.bucket(cell) in {each.bucket for each in report.buckets}
    (tmp_path / "flagged.json").write_bytes(msgspec.json.encode(report))  # what `GET /v1/residual` says
    following = promote(now, read_report(tmp_path / "flagged.json"), era="2027", start=date(2027, 1, 1))
    assert PAIR in following.pairs
    first.close()

    second = play(following.protocol)
    assert second.hub is not None and second.hub_view is not None
    position = following.protocol.layout.own_position(cell)
    assert position is not None
    assert second.hub_view.scores["n"][position] == pytest.approx(125, abs=6 * second.hub_view.totals.pair_sd)
    assert PAIR in second.hub_log.first and second.hub_log.first[PAIR].rules == ("noise-aware-z",)
    assert PAIR in {(sdr.drug, sdr.reaction) for sdr in second.hub.signals.find()}
    rows = {(row["drug"], row["reaction"]): row for row in second.signal_rows()}
    assert rows[PAIR]["noisy_value"] == pytest.approx(float(second.hub_view.scores["n"][position]))
    second.close()
