"""Totals: decoding is exact without noise, its noise is the predicted one, missed epochs cost nothing but delay."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import ParameterError
from hub.intake import ReleaseIntake
from hub.release_shelf import ReleaseShelf
from hub.store import HubStore
from hub.totals import fuse_margins, running_totals, total_weights
from privacy.release_spec import ReleaseSpec
from tests.hub.federation import NOW, Federation, make_protocol
from tests.privacy.strategies import BY_NAME as STRATEGIES

EPOCHS = 20


@pytest.mark.parametrize("name", STRATEGIES)
@given(
    released=st.sets(st.integers(0, EPOCHS - 1), min_size=1),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_set_of_released_epochs_decodes_exactly(name: str, released: set[int], seed: int) -> None:
    factorisation = STRATEGIES[name]
    epochs = sorted(released)
    increments = np.zeros((factorisation.epochs, 5), dtype=np.int64)
    increments[epochs] = np.random.default_rng(seed).integers(-1000, 5000, (len(epochs), 5))
    encoded = factorisation.encode(increments)[epochs]
    total = total_weights(factorisation, epochs) @ encoded
    np.testing.assert_allclose(total, increments.sum(axis=0), rtol=1e-9, atol=1e-6)


def test_a_full_calendar_has_the_noise_the_spec_predicts() -> None:
    protocol = make_protocol(epochs=EPOCHS)
    spec = ReleaseSpec.of(protocol)
    for epoch in (0, 7, EPOCHS - 1):
        weights = total_weights(spec.factorisation, list(range(epoch + 1)))
        sd = spec.tables["pair"].sigma * float(np.linalg.norm(weights)) / 256
        assert sd == pytest.approx(spec.running_total_sd("pair", epoch), rel=1e-12)


def test_errors_of_real_releases_have_the_stated_standard_deviation(store: HubStore) -> None:
    protocol = make_protocol(drugs=25, reactions=40, epochs=6)
    federation = Federation(protocol)
    intake, rng = ReleaseIntake(store, protocol, federation.site_keys), np.random.default_rng(5)
    truth = np.zeros((25, 40))
    for epoch in range(6):
        for name, site in federation.sites.items():
            if name == "west" and epoch in (2, 3):  # its gate was down; the next release carries what came meanwhile
                continue
            counts = rng.poisson(2.0, (25, 40))
            truth += counts
            intake.accept(site.release(epoch, counts), received_at=NOW)
    with store.read() as connection:
        totals = running_totals(connection, ReleaseShelf(), protocol, 5)
    assert totals.epochs == {"north": 5, "south": 5, "west": 5}
    error = (totals.pair - truth) / totals.pair_sd
    assert abs(error.mean()) < 4 / np.sqrt(error.size)
    assert error.std() == pytest.approx(1, abs=4 / np.sqrt(2 * error.size))
    for margin, exact, sd in (
        (totals.drug, truth.sum(axis=1), totals.drug_sd),
        (totals.reaction, truth.sum(axis=0), totals.reaction_sd),
    ):
        assert np.sqrt(np.mean(((margin - exact) / sd) ** 2)) == pytest.approx(1, abs=0.6)
    assert abs(totals.total - truth.sum()) < 5 * totals.total_sd


def test_a_late_site_counts_up_to_its_latest_epoch(store: HubStore, federation: Federation) -> None:
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys)
    for epoch in range(3):
        for name, site in federation.sites.items():
            if not (name == "south" and epoch == 2):
                intake.accept(site.release(epoch), received_at=NOW)
    with store.read() as connection:
        late = running_totals(connection, ReleaseShelf(), federation.protocol, 2)
        early = running_totals(connection, ReleaseShelf(), federation.protocol, 0)
    assert late.epochs == {"north": 2, "south": 1, "west": 2}
    assert early.epochs == {"north": 0, "south": 0, "west": 0}
    assert early.pair_sd < late.pair_sd


def test_the_cache_changes_nothing(store: HubStore, federation: Federation) -> None:
    shelf = ReleaseShelf(is_cached=True)
    intake = ReleaseIntake(store, federation.protocol, federation.site_keys, shelf=shelf)
    for line in federation.release_all(0, {3: 40}):
        intake.accept(line, received_at=datetime(2026, 2, 1, tzinfo=UTC))
    with store.read() as connection:
        first = running_totals(connection, shelf, federation.protocol, 0)
        again = running_totals(connection, shelf, federation.protocol, 0)
        plain = running_totals(connection, ReleaseShelf(), federation.protocol, 0)
    np.testing.assert_array_equal(first.pair, plain.pair)
    np.testing.assert_array_equal(again.drug, plain.drug)


def test_without_releases_there_are_no_totals(store: HubStore, federation: Federation) -> None:
    with store.read() as connection, pytest.raises(ParameterError, match="no site has released"):
        running_totals(connection, ReleaseShelf(), federation.protocol, 4)


def test_fusing_is_unbiased_and_as_good_as_said() -> None:
    rng, truth = np.random.default_rng(11), np.full((6, 10), 5.0)
    variance = {"pair": 9.0, "drug": 60.0, "reaction": 60.0}
    drugs, totals = [], []
    for _ in range(4000):
        fused = fuse_margins(
            truth + rng.normal(0, 3.0, truth.shape),
            truth.sum(axis=1) + rng.normal(0, 60**0.5, 6),
            truth.sum(axis=0) + rng.normal(0, 60**0.5, 10),
            variance=variance,
            epochs={},
        )
        drugs.append(fused.drug - 50)
        totals.append(fused.total - 300)
    assert fused.drug_sd == pytest.approx((1 / (1 / 60 + 1 / 90)) ** 0.5)
    assert np.std(drugs) == pytest.approx(fused.drug_sd, rel=0.03)
    assert abs(np.mean(drugs)) < 0.2
    assert np.std(totals) == pytest.approx(fused.total_sd, rel=0.05)
    assert fused.total_sd < (60 * 9.0) ** 0.5
