"""The annex says what the protocol says, in numbers that are computed here in another way."""

from __future__ import annotations

import re
from math import exp, sqrt
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy.stats import norm

from kelsey.annex import annex
from kelsey.cli import cli
from privacy.accounting import delta_from_mu
from privacy.epoch_vector import EpochVector
from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec
from privacy.secure_sum import share_epoch
from streams.topics import TOPICS
from tests.privacy.examples import protocol

PILOT = protocol(drugs=60, reactions=1000, epsilon=1.0)
SUM = protocol(trust_mode="secure-sum", minimum_cohort=10, honest_fraction=0.8, epsilon=2.0, delta=1e-7)


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its head."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("of", [PILOT, SUM])
def test_the_guarantee_in_words_is_that_of_the_protocol(of: SurveillanceProtocol) -> None:
    text = annex(of)
    assert of.hash in text
    assert f"epsilon {of.epsilon:g} and delta {of.delta:g}" in text
    found = re.search(r"mu = ([\d.]+) of Gaussian", text)
    assert found
    mu = float(found[1])
    assert delta_from_mu(mu, of.epsilon) == pytest.approx(of.delta, rel=0.01)  # the exact curve, backwards
    odds = exp(of.epsilon)
    assert f"at most {100 * odds / (odds + 1):.1f}% sure" in text
    for alarms, found_at_most in rows(text, "Guarantee"):
        level = float(alarms.rstrip("%")) / 100
        power = norm.sf(norm.isf(level) - mu)  # the best test between N(0, 1) and N(mu, 1)
        assert float(found_at_most.rstrip("%")) / 100 == pytest.approx(power, abs=6e-4)


@pytest.mark.parametrize("of", [PILOT, SUM])
def test_linked_patients(of: SurveillanceProtocol) -> None:
    mu = ReleaseSpec.of(of).mu
    table = rows(annex(of), "Patients who are known to several sites")
    assert [row[0] for row in table] == ["1", "2", "3", "5"]
    for sites, same, different in table:
        assert delta_from_mu(mu * int(sites), float(same)) == pytest.approx(of.delta, rel=0.15)  # two decimals
        assert delta_from_mu(mu * sqrt(int(sites)), float(different)) == pytest.approx(of.delta, rel=0.15)
    assert ("adds noise of its own" in annex(of)) is (of.trust_mode == "per-site")
    assert ("lie between both columns" in annex(of)) is (of.trust_mode == "secure-sum")


def test_noise_per_site_and_of_a_sum() -> None:
    alone = ReleaseSpec.of(PILOT).running_total_sd("pair", 11)
    for (_, sd, excess), sites in zip(rows(annex(PILOT), "What the noise hides"), (1, 3, 10), strict=True):
        assert float(sd) == pytest.approx(alone * sqrt(sites), abs=0.06)
        assert float(excess) > 4.1 * float(sd) / 0.5  # half a weight kept; more, for the background's own noise
    ((words, sd, _),) = rows(annex(SUM), "What the noise hides")
    assert words.startswith("10 sites")
    assert float(sd) == pytest.approx(ReleaseSpec.of(SUM).running_total_sd("pair", 11) * sqrt(10 / 8), abs=0.06)


def test_limits_cells_and_calendar_are_the_protocols() -> None:
    text = annex(PILOT)
    assert "60 drugs with 1,000 reactions (60,000 pairs)" in text
    assert "61,060 integers with noise" in text
    assert "each of them in at most 16 steps, whose weights have squares that sum to at most 1.5 squared" in text
    assert "2026, 2026-01-01 to 2026-12-31" in text
    assert "aggregator" not in text
    assert "10 sites are in it; 8 of these" in annex(SUM)
    assert "fewer than 8 sites" in annex(SUM)
    assert "operators of the two aggregators" in annex(SUM)


def test_no_message_to_an_aggregator_is_longer_than_said() -> None:
    text = annex(SUM)
    assert "its share of 19 counts" in text  # 12 pairs, 3 drugs, 4 reactions
    longest = re.search(r"message to each aggregator, of at most ([\d,]+) bytes", text)
    assert longest
    noise = {name: np.zeros(length, dtype=np.int64) for name, length in SUM.layout.lengths.items()}
    messages = share_epoch(
        site="s" * 63, protocol=SUM, epoch=11, increment=EpochVector.of({18: 256}), noise=noise,
        key=Ed25519PrivateKey.generate(),
    )  # fmt: skip
    assert all(8 * 19 < len(message) <= int(longest[1].replace(",", "")) for message in messages.values())


def test_retention_is_that_of_the_topics() -> None:
    kept = {row[0]: row[2] for row in rows(annex(PILOT), "What is kept, and how long")}
    for topic in TOPICS:
        days = int(topic.configuration["retention.ms"]) / 86_400_000
        assert kept[f"topic {topic.role}"] == ("no end by itself" if days < 0 else f"{days:.0f} days")


def test_what_is_unusual_is_put_before_the_officer() -> None:
    assert "To be judged" not in annex(PILOT)
    assert "**To be judged:** epsilon 8 is above 5" in annex(protocol(epsilon=8.0))
    assert "Free text is not counted" in annex(PILOT)
    assert "free text count too" in annex(protocol(with_narrative=True))


def test_the_command_writes_the_file_and_says_which_protocol(tmp_path: Path) -> None:
    PILOT.dump(tmp_path / "protocol.json")
    arguments = ["protocol", "annex", str(tmp_path / "protocol.json"), "--out", str(tmp_path / "annex.md")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    assert PILOT.hash in result.stdout
    assert (tmp_path / "annex.md").read_text("utf-8") == annex(PILOT)
