"""Sites and protocols for the tests."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cases import Vocabulary
from privacy.calendar import EpochCalendar
from privacy.protocol import SurveillanceProtocol
from streams.embedded import EmbeddedSite
from tests.streams.play import DRUGS, REACTIONS

__all__ = ["KEY", "SIGNING_KEY", "embedded_site", "protocol", "vocabulary"]

KEY = bytes(range(32))
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def vocabulary() -> Vocabulary:
    """Takes every name over."""
    return Vocabulary.open(name="published")


def protocol(
    *,
    epochs: int = 4,
    capacity: float = 1.5,
    operations: int = 16,
    drugs: tuple[str, ...] = DRUGS,
    reactions: tuple[str, ...] = REACTIONS,
    era: str = "2026",
) -> SurveillanceProtocol:
    """A small protocol with monthly epochs from January 2026."""
    return SurveillanceProtocol(
        name="test",
        version="1",
        era=era,
        vocabulary=vocabulary().label,
        drugs=drugs,
        reactions=reactions,
        calendar=EpochCalendar("month", date(2026, 1, 1), epochs),
        epsilon=3.0,
        delta=1e-6,
        wallet_capacity=capacity,
        wallet_operations=operations,
    )


def embedded_site(
    directory: Path | None = None,
    *,
    under: SurveillanceProtocol | None = None,
    read_narratives: bool = False,
    words: Vocabulary | None = None,
) -> EmbeddedSite:
    """A site that counts under a protocol, or under none."""
    return EmbeddedSite(
        site_id="alpha",
        vocabulary=words or vocabulary(),
        protocol=under,
        pseudonym_key=KEY,
        signing_key=SIGNING_KEY,
        directory=directory,
        read_narratives=read_narratives,
    )
