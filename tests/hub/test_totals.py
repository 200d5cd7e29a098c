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
from hub.statistics import ScoreState, noisy_scores
from hub.store import HubStore
from hub.totals import joined_tables, running_totals, total_weights
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
    assert totals.total_sd < 0.02 * totals.total
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


@pytest.mark.parametrize("sd", [0.0, 2.0, 30.0])
def test_the_total_makes_what_is_expected_add_up_to_what_was_observed(sd: float) -> None:
    """Margins count patients, and pairs weigh less than their product says: the total takes that up."""
    rng = np.random.default_rng(3)
    drug, reaction = rng.gamma(0.5, 400, 30), rng.gamma(0.5, 300, 50)
    expected = np.outer(drug, reaction) / 9000
    found, said = [], []
    for _ in range(400 if sd else 1):
        tables = {"pair": (expected + rng.normal(0, sd, expected.shape)).ravel(), "drug": drug, "reaction": reaction}
        totals = joined_tables(tables, variance={"pair": sd**2, "drug": 0.0, "reaction": 0.0}, epochs={})
        found.append(totals.total)
        said.append(totals.total_sd)
    if not sd:
        assert found == [pytest.approx(9000)]
        assert totals.total_sd == 0
    else:
        assert abs(np.mean(found) - 9000) < 4 * np.std(found) / 20 + 0.01 * np.std(found)
        assert np.std(found) == pytest.approx(np.mean(said), rel=0.2)
        plain_sd = 9000 * sd * expected.size**0.5 / expected.sum()  # of adding up all pairs alike
        assert totals.total_sd < plain_sd


def test_where_noise_hides_everything_there_is_no_total() -> None:
    tables = {"pair": np.full(12, -1.0), "drug": np.full(3, 2.0), "reaction": np.full(4, 2.0)}
    totals = joined_tables(tables, variance={"pair": 9.0, "drug": 9.0, "reaction": 9.0}, epochs={})
    assert np.isnan(totals.total)
    assert np.isnan(totals.total_sd)
    scores = noisy_scores(totals)
    assert set(scores["state"]) == {ScoreState.UNDETERMINED}
    assert np.isnan(scores["z"]).all()
