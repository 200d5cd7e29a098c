"""Seeded streams of cases in which seriousness depends on what the case says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from cases import (
    Assertion,
    Case,
    CaseVersion,
    DrugRole,
    DrugUse,
    Provenance,
    Reaction,
    Seriousness,
    Sex,
    Term,
)

START = datetime(2026, 1, 5, tzinfo=UTC)


def case_stream(count: int, *, seed: int, unknown_share: float = 0.1) -> Iterator[Case]:
    """`count` cases, about one in four serious: more often with haemorrhage, a cue of intensive care, or old age."""
    rng = random.Random(seed)
    for number in range(count):
        reaction = rng.choice(["Haemorrhage", "Rash", "Nausea", "Headache", "Pain"])
        cues = tuple(cue for cue, share in (("intensive-care", 0.1), ("mild", 0.3)) if rng.random() < share)
        age = rng.uniform(1, 95)
        log_odds = -2.2 + 2.0 * (reaction == "Haemorrhage") + 3.0 * ("intensive-care" in cues) - 1.0 * ("mild" in cues)
        is_serious: bool | None = rng.random() < 1 / (1 + 2.718281828 ** -(log_odds + 1.2 * (age >= 65)))
        if rng.random() < unknown_share:
            is_serious = None
        at = START + timedelta(hours=number)
        yield Case(
            source="seeded",
            case_id=str(number),
            version=CaseVersion(at),
            patient=f"p{number}",
            received_at=at,
            drugs=(DrugUse(Term(rng.choice("abcdef"), Provenance.CODED), DrugRole.SUSPECT),),
            reactions=(Reaction(Term(reaction, Provenance.CODED), Assertion.PRESENT),),
            seriousness=Seriousness(is_serious),
            sex=rng.choice(list(Sex)),
            age_years=age,
            cues=cues,
        )


def influenza(weeks: int, *, peak: float = 4.0) -> NDArray[np.float64]:
    """Weekly rates with a season like that of reports after influenza vaccines: mean 1, autumn eleven times summer."""
    distance = np.abs((np.arange(weeks) % 52) - 43)
    shape = 0.4 + peak * np.exp(-0.5 * (np.minimum(distance, 52 - distance) / 3.5) ** 2)
    return np.asarray(shape / shape.mean(), dtype=np.float64)
