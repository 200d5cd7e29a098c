"""Gates and a hub under a protocol with an artefact, from the files on disk to the totals and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from hub.embedded import EmbeddedHub
from hub.noisy_totals import NoisyTotals
from privacy.chosen_strategy import factorisation_beside
from privacy.ledger import BudgetLedger
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from streams.epoch import seal
from streams.gate import Gate
from streams.gate_store import GateStore
from tests.privacy.examples import protocol
from tests.privacy.strategies import ARTEFACTS, EPOCHS, counting_with

SITES = ("north", "south")


def played(
    under: SurveillanceProtocol, counts: dict[str, NDArray[np.int64]], *, seed: int
) -> tuple[list[NoisyTotals], set[str]]:
    """Totals after every epoch, and the hashes the ledgers booked under; `counts` by epoch and cell, noise by seed."""
    keys = {name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number, name in enumerate(SITES)}
    ledgers = {name: BudgetLedger(None) for name in SITES}
    gates = {
        name: Gate(
            site_id=name,
            protocol=under,
            signing_key=keys[name],
            store=GateStore(None),
            ledger=ledgers[name],
            random_bytes=np.random.default_rng([seed, number]).bytes,
        )
        for number, name in enumerate(SITES)
    }
    found = []
    with EmbeddedHub(protocol=under, site_keys={name: key.public_key() for name, key in keys.items()}) as hub:
        for epoch in range(under.calendar.count):
            at = under.calendar.closes_at(epoch)
            for name, gate in gates.items():
                part = seal(
                    [(int(cell), 256 * int(counts[name][epoch, cell])) for cell in np.flatnonzero(counts[name][epoch])],
                    era=under.era,
                    protocol_hash=under.hash,
                    epoch=epoch,
                    partition=0,
                    store_id="one",
                    sequence=epoch + 1,
                )
                gate.take([part])
                line = gate.release(epoch)
                assert line is not None
                hub.submit(line, at=at)
            found.append(hub.evaluate(epoch, at=at).totals)
    return found, {entry.spec_hash for ledger in ledgers.values() for entry in ledger.entries()}


@pytest.mark.parametrize("name", ARTEFACTS)
def test_a_protocol_with_an_artefact_is_released_and_decoded(name: str, tmp_path: Path) -> None:
    file = tmp_path / "protocol.json"
    counting_with(name, drugs=20, reactions=30).dump(file)
    ARTEFACTS[name].dump(factorisation_beside(file))
    under = SurveillanceProtocol.load(file)
    spec, cells = ReleaseSpec.of(under), under.cell_count
    random = np.random.default_rng(11)
    counts = {site: random.poisson(0.4, (EPOCHS, cells)) for site in SITES}
    totals, booked = played(under, counts, seed=1)
    noise, _ = played(under, {site: np.zeros_like(each) for site, each in counts.items()}, seed=1)
    assert booked == {spec.hash}
    truth = np.cumsum(sum(counts.values()), axis=0)
    for epoch in range(EPOCHS):
        seen = totals[epoch].pair.ravel()
        without_noise = seen - noise[epoch].pair.ravel()  # the same draws, taken off again
        assert np.abs(without_noise - truth[epoch]).max() < 1e-6
        predicted = spec.running_total_sd("pair", epoch) * len(SITES) ** 0.5
        assert totals[epoch].pair_sd == pytest.approx(predicted, rel=1e-9)
        error = seen - truth[epoch]
        assert abs(np.sqrt(np.mean(error**2)) / predicted - 1) < 4.5 / np.sqrt(2 * cells)  # standard errors
        assert abs(error.mean()) < 4.5 * predicted / np.sqrt(cells)


def test_read_epochs_have_less_noise_than_under_the_square_root() -> None:
    dense, root = ReleaseSpec.of(counting_with("dense")), ReleaseSpec.of(protocol(epochs=EPOCHS))
    for epoch in ARTEFACTS["dense"].workload.read_epochs[1:]:
        assert dense.running_total_sd("pair", epoch) < 0.85 * root.running_total_sd("pair", epoch)
