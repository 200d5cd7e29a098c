"""Buckets at the hub: what is expected of them, how many are flagged for nothing, and what a reader is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from cases import ParameterError
from hub.evaluation import Evaluator
from hub.flag_shelf import read_flagged
from hub.flagged_buckets import bucket_q_values, flagged_buckets
from hub.intake import ReleaseIntake
from hub.noisy_totals import NoisyTotals
from hub.pair_overview import read_overview
from hub.roles import Role
from hub.statistics import noisy_scores
from hub.store import HubStore
from hub.tail_score import tail_score
from hub.totals import joined_tables
from privacy.active_cells import ActiveCells, cells_beside
from privacy.protocol import SurveillanceProtocol
from privacy.residual_cells import ResidualCells
from tests.hub.federation import NOW, Federation, make_protocol
from tests.hub.served_hub import ServedHub
from tests.privacy.examples import with_buckets

DRUGS, REACTIONS = 40, 50
ACTIVE = tuple(cell for cell in range(DRUGS * REACTIONS) if cell // REACTIONS < 8 and cell % REACTIONS < 30)
PAIR = (31, 44)  # of the residual ones


def sparse_protocol(buckets: int = 64) -> SurveillanceProtocol:
    plain = make_protocol()
    fields = {name: getattr(plain, name) for name in ("epsilon", "delta", "rules", "calendar", "era")}
    return with_buckets(ACTIVE, buckets=buckets, drugs=DRUGS, reactions=REACTIONS, **fields)


def independent_counts(size: float) -> NDArray[np.float64]:
    shares = [1 / np.arange(1, names + 1) ** 0.7 for names in (DRUGS, REACTIONS)]
    return size * np.outer(shares[0] / shares[0].sum(), shares[1] / shares[1].sum())


def tables_of(
    counts: NDArray[np.float64], residual: ResidualCells, sd: dict[str, float], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Noisy tables of patients with one pair each."""
    pair = np.bincount(residual.positions(np.arange(counts.size)), weights=counts.ravel(), minlength=residual.length)
    exact = {"pair": pair, "drug": counts.sum(axis=1), "reaction": counts.sum(axis=0)}
    return {name: values + rng.normal(0, sd[name], values.shape) for name, values in exact.items()}


def totals_of(counts: NDArray[np.float64], residual: ResidualCells, sd: float, seed: int) -> NoisyTotals:
    sds = {"pair": sd, "drug": 6 * sd, "reaction": 6 * sd}
    tables = tables_of(counts, residual, sds, np.random.default_rng(seed))
    return joined_tables(tables, variance={name: x * x for name, x in sds.items()}, epochs={}, residual=residual)


def test_buckets_expect_what_their_pairs_do_one_by_one() -> None:
    residual = ResidualCells(np.array(ACTIVE), 32, "any")
    totals = totals_of(independent_counts(50_000), residual, 3.0, seed=1)
    assert totals.buckets is not None
    product, sd = np.zeros(32), np.zeros(32)
    for cell in set(range(DRUGS * REACTIONS)) - set(ACTIVE):
        d, r = totals.drug[cell // REACTIONS], totals.reaction[cell % REACTIONS]
        bucket = int(residual.buckets_of(np.array([cell]))[0])
        product[bucket] += d * r
        sd[bucket] += totals.drug_sd**2 * abs(r) * (abs(r) + np.abs(totals.reaction).sum() / 32)
        sd[bucket] += totals.reaction_sd**2 * abs(d) * (abs(d) + np.abs(totals.drug).sum() / 32)
    sd = np.sqrt(sd)
    assert totals.buckets.product == pytest.approx(product) and totals.buckets.product_sd == pytest.approx(sd)
    expected, q_values = bucket_q_values(totals)
    assert expected == pytest.approx(product / totals.total)
    variance = totals.pair_sd**2 + (sd / totals.total) ** 2 + (expected * totals.total_sd / totals.total) ** 2
    score = tail_score(totals.buckets.count, expected, variance)
    chance = np.where(totals.buckets.count > expected, norm.sf(score), 1.0)
    assert q_values == pytest.approx(false_discovery_control(chance, method="bh"))


def test_the_stated_noise_of_a_bucket_is_that_of_its_pairs_together() -> None:
    """Simulated: margins drawn anew, buckets with many pairs of one drug among them."""
    residual, counts = ResidualCells(np.array(ACTIVE), 16, "any"), independent_counts(50_000)
    drawn = [totals_of(counts, residual, 3.0, seed).buckets for seed in range(400)]
    products = np.array([each.product for each in drawn if each is not None])
    stated = np.mean([each.product_sd for each in drawn if each is not None], axis=0)
    ratio = stated / products.std(axis=0)
    assert ratio.min() > 0.75 and 0.95 < np.sqrt((ratio**2).mean()) < 1.4


def test_the_active_pairs_are_scored_as_if_the_table_were_dense() -> None:
    counts = np.random.default_rng(2).poisson(independent_counts(50_000)).astype(np.float64)
    residual = ResidualCells(np.array(ACTIVE), 1 << 16, "any")  # where nothing meets, N is nearly the same
    sds = {"pair": 2.0, "drug": 10.0, "reaction": 10.0}
    variance = {name: sd * sd for name, sd in sds.items()}
    tables = tables_of(counts, residual, sds, np.random.default_rng(3))
    sparse = joined_tables(tables, variance=variance, epochs={}, residual=residual)
    dense_pair = tables["pair"][residual.positions(np.arange(counts.size))]
    dense = joined_tables(tables | {"pair": dense_pair}, variance=variance, epochs={})
    assert sparse.total == pytest.approx(dense.total, rel=0.01)
    assert sparse.total == pytest.approx(counts.sum(), rel=0.02)
    sparse = replace(sparse, total=dense.total, total_sd=dense.total_sd)
    found, wanted = noisy_scores(sparse), noisy_scores(dense)
    for name in found.keys() - {"q_value", "q_value_era"}:  # which depend on how many pairs are scored
        np.testing.assert_allclose(found[name], wanted[name][list(ACTIVE)], rtol=1e-9, err_msg=name)


def test_few_buckets_are_flagged_where_nothing_is_and_the_one_where_something_is() -> None:
    rng, residual = np.random.default_rng(4), ResidualCells(np.array(ACTIVE), 256, "any")
    mean = independent_counts(50_000)
    cell = PAIR[0] * REACTIONS + PAIR[1]
    target = int(residual.buckets_of(np.array([cell]))[0])
    false, found, flagged = 0, 0, 0
    for seed in range(60):
        counts = rng.poisson(mean).astype(np.float64)
        quiet = bucket_q_values(totals_of(counts, residual, 4.0, seed))[1]
        false += bool((quiet <= 0.05).any())
        counts.ravel()[cell] += 60
        q_values = bucket_q_values(totals_of(counts, residual, 4.0, seed))[1]
        found += bool(q_values[target] <= 0.05)
        flagged += int((q_values <= 0.05).sum())
    assert false <= 8  # of 60; at most 3 are to be expected
    assert found >= 57 and flagged - found <= 10


def test_a_bucket_without_a_pair_and_one_without_a_total_are_never_flagged() -> None:
    residual = ResidualCells(np.array(ACTIVE), 1 << 14, "any")
    totals = totals_of(independent_counts(50_000), residual, 3.0, seed=5)
    assert totals.buckets is not None
    empty = np.isnan(totals.buckets.count)
    used = {int(place) - len(ACTIVE) for place in residual.positions(np.arange(DRUGS * REACTIONS))}
    assert empty.sum() == (1 << 14) - sum(bucket >= 0 for bucket in used)
    assert np.isnan(bucket_q_values(totals)[1][empty]).all()
    nothing = totals_of(np.zeros((DRUGS, REACTIONS)), residual, 0.0, seed=5)
    assert np.isnan(nothing.total) and np.isnan(bucket_q_values(nothing)[1]).all()


def test_what_cannot_be_asked_is_refused() -> None:
    dense = NoisyTotals(
        pair=np.ones((2, 3)), drug=np.ones(2), reaction=np.ones(3), total=6.0, pair_sd=1.0, drug_sd=1.0,
        reaction_sd=1.0, total_sd=1.0,
    )  # fmt: skip
    with pytest.raises(ParameterError, match="there are no buckets"):
        bucket_q_values(dense)
    assert flagged_buckets(dense, make_protocol()) == ()
    totals = totals_of(independent_counts(1000), ResidualCells(np.array(ACTIVE), 8, "any"), 3.0, seed=5)
    with pytest.raises(ParameterError, match=r"weight_ratio must lie in \(0, 1\], not 0"):
        bucket_q_values(totals, weight_ratio=0.0)


def played(protocol: SurveillanceProtocol) -> list[bytes]:
    """Two epochs of three sites, with a pair that is reported far too often among those in buckets."""
    federation, rng, lines = Federation(protocol), np.random.default_rng(6), []
    for epoch in range(2):
        for site in federation.sites.values():
            counts = rng.poisson(independent_counts(8_000))
            counts[PAIR] += 30
            lines.append(site.release(epoch, counts))
    return lines


def test_the_hub_flags_the_bucket_and_names_its_candidates(store: HubStore) -> None:
    protocol = sparse_protocol()
    intake = ReleaseIntake(store, protocol, Federation(protocol).site_keys)
    for line in played(protocol):
        intake.accept(line, received_at=NOW)
    view = Evaluator(store, protocol).evaluate(1, at=NOW)
    drug, reaction = protocol.drugs[PAIR[0]], protocol.reactions[PAIR[1]]
    cell = protocol.cell(drug, reaction)
    assert cell is not None
    first = view.residual[0]
    assert first.bucket == protocol.layout.bucket(cell) and first.n > first.expected + 100
    assert (drug, reaction) in {(each.drug, each.reaction) for each in first.candidates}
    shares = [each.share for each in first.candidates if each.share is not None]
    assert len(first.candidates) == first.pair_count == len(shares)
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)
    assert all(protocol.layout.bucket(protocol.cell(x.drug, x.reaction) or 0) == first.bucket for x in first.candidates)
    assert all((sdr.drug, sdr.reaction) != (drug, reaction) for sdr in view.new_sdrs)
    with store.read() as connection:
        report = read_flagged(connection, protocol)
        assert report.buckets == view.residual and report.epoch == 1 and report.protocol_hash == protocol.hash
        assert read_overview(connection, protocol, drug, reaction) is None
        own = read_overview(connection, protocol, protocol.drugs[7], protocol.reactions[29])
    assert own is not None and own.n == pytest.approx(float(view.totals.pair[len(ACTIVE) - 1]), rel=1e-6)
    earlier = Evaluator(store, protocol).evaluate(0, at=NOW)
    assert earlier.residual != view.residual
    with store.read() as connection:
        assert read_flagged(connection, protocol).buckets == view.residual  # the newest look's


def test_readers_are_told_and_a_counted_metric_is_no_name(database_url: str, tmp_path: Path) -> None:
    protocol = sparse_protocol()
    active = np.array(ACTIVE)
    cells = ActiveCells.of(active, drugs=protocol.drugs, reactions=protocol.reactions, source="chosen for a test")
    cells.dump(cells_beside(tmp_path / "protocol.json"))
    drug, reaction = protocol.drugs[PAIR[0]], protocol.reactions[PAIR[1]]
    with ServedHub(Federation(protocol), database_url, tmp_path) as served:
        intake = ReleaseIntake(served.store, protocol, Federation(protocol).site_keys)
        for line in played(protocol):
            intake.accept(line, received_at=NOW)
        assert served.clients[Role.OFFICER].get("/v1/residual").json()["epoch"] is None
        Evaluator(served.store, protocol).evaluate(1, at=NOW)
        told = served.clients[Role.OFFICER].get("/v1/residual").json()
        assert told["protocol_hash"] == protocol.hash and told["epoch_end"] == "2026-02-28"
        assert told["buckets"][0]["q_value"] < 0.001
        assert [drug, reaction] in [[x["drug"], x["reaction"]] for x in told["buckets"][0]["candidates"]]
        series = served.clients[Role.OFFICER].get("/v1/pairs", params={"drug": drug, "reaction": reaction}).json()
        assert series["bucket"] == told["buckets"][0]["bucket"] and series["latest"] is None and not series["points"]
        own = served.clients[Role.OFFICER].get(
            "/v1/pairs", params={"drug": protocol.drugs[0], "reaction": protocol.reactions[0]}
        )
        assert own.json()["bucket"] is None and own.json()["latest"]["state"] == "no-signal"
        assert served.clients[Role.SITE].get("/v1/residual").status_code == 403
