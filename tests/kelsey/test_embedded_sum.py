"""Gates, both aggregators and the hub in one process: totals within their stated noise, absent sites made up for."""

from __future__ import annotations

from datetime import date
from math import sqrt

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import ParameterError
from hub.aggregator.embedded import EmbeddedAggregators
from hub.embedded import EmbeddedHub
from privacy import BudgetLedger, EpochCalendar, SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from streams.epoch import seal
from streams.gate import Gate
from streams.gate_store import GateStore

SITES = tuple(f"site-{number}" for number in range(5))
PER_SITE = SurveillanceProtocol(
    name="test", version="1", era="2026", vocabulary="v@1", drugs=("A", "B"), reactions=("R", "S", "T"),
    calendar=EpochCalendar("month", date(2026, 1, 1), 4), epsilon=3.0, delta=1e-6, rules=("noise-aware-z",),
)  # fmt: skip
SUMMED = msgspec.structs.replace(PER_SITE, trust_mode="secure-sum", minimum_cohort=4, honest_fraction=0.75)


def test_totals_are_what_the_sites_hold_within_the_noise_of_one_cohort() -> None:
    keys = {name: Ed25519PrivateKey.generate() for name in SITES}
    public = {name: key.public_key() for name, key in keys.items()}
    aggregators = EmbeddedAggregators(SUMMED, public)
    gates = {
        name: Gate(
            site_id=name, protocol=SUMMED, signing_key=keys[name], store=GateStore(None), ledger=BudgetLedger(None)
        )
        for name in SITES
    }
    absent = {1: {"site-0"}, 2: {"site-0", "site-1", "site-2"}}  # the second leaves too few to open
    with EmbeddedHub(protocol=SUMMED, site_keys=public, aggregator_keys=aggregators.public_keys) as hub:
        for epoch in range(4):
            at = SUMMED.calendar.closes_at(epoch)
            payloads = []
            for number, (name, gate) in enumerate(gates.items()):
                operations = [(number, 256 * 10_000), (5, 256 * 1000)]
                part = seal(
                    operations, era=SUMMED.era, protocol_hash=SUMMED.hash, epoch=epoch, partition=0, store_id="one",
                    sequence=epoch + 1,
                )  # fmt: skip
                gate.take([part])
                gate.settle(aggregators)
                payload = gate.release(epoch)
                assert payload is not None
                if name not in absent.get(epoch, set()):
                    payloads.append(payload)
            messages = aggregators.sum_epoch(epoch, payloads, at=at)
            assert len(messages) == (0 if epoch == 2 else 2)
            for message in messages:
                hub.submit_sum(message, at)
        totals = hub.evaluate(3, SUMMED.calendar.closes_at(3)).totals
    # what site-0 to site-2 could not say in epochs 1 and 2 came with the epochs after
    exact = np.array([[40_000, 40_000, 40_000], [40_000, 40_000, 20_000]])
    assert np.abs(totals.pair - exact).max() < 5 * totals.pair_sd < 100
    spec, cohort = ReleaseSpec.of(SUMMED), SUMMED.cohort
    assert cohort is not None
    alone = spec.running_total_sd("pair", 3)
    assert alone < totals.pair_sd < 1.7 * alone < sqrt(len(SITES)) * alone
    aggregators.close()


def test_a_protocol_of_single_sites_has_no_aggregators_and_its_hub_no_sums() -> None:
    with pytest.raises(ParameterError, match="not secure-sum"):
        EmbeddedAggregators(PER_SITE, {})
    with EmbeddedHub(protocol=PER_SITE, site_keys={}) as hub, pytest.raises(ParameterError, match="forms no sums"):
        hub.submit_sum(b"", PER_SITE.calendar.closes_at(0))
