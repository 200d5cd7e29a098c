"""A surveillance protocol in the words of those who sign it."""

from __future__ import annotations

from msgspec import UNSET

from privacy.protocol import SurveillanceProtocol
from privacy.release_spec import ReleaseSpec

__all__ = ["describe"]


def describe(protocol: SurveillanceProtocol) -> dict[str, str]:
    """What is counted, when, under which guarantee, and with how much noise; label to plain value."""
    calendar = protocol.calendar
    last = calendar.count - 1
    return {
        "name": f"{protocol.name}, version {protocol.version}",
        "hash": protocol.hash,
        "era": f"{protocol.era}: {calendar.start} to {calendar.last_day(last)}, {calendar.count} {calendar.unit}s",
        "vocabulary": protocol.vocabulary,
        "active cells": _cells(protocol),
        "guarantee": f"epsilon {protocol.epsilon:g}, delta {protocol.delta:g}: one patient at one site, whole era",
        "wallet": f"C = {protocol.wallet_capacity:g}, at most {protocol.wallet_operations} operations a patient, "
        "weights in steps of 1/256",
        "trust mode": _trust(protocol),
        "factorisation": (
            "square root"
            if protocol.factorisation is UNSET
            else f"artefact {protocol.factorisation}, {protocol.coefficient_bits} bits"
        ),
        "narratives": "count like coded items" if protocol.with_narrative else "do not count",
        "noise of a pair": _noise(protocol),
        "rules": ", ".join(protocol.rules),
    }


def _cells(protocol: SurveillanceProtocol) -> str:
    product = f"{len(protocol.drugs):,} drugs x {len(protocol.reactions):,} reactions"
    if protocol.residual_buckets is UNSET:
        return product
    return f"{protocol.cell_count:,} pairs of {product}; all others share {protocol.residual_buckets:,} buckets"


def _noise(protocol: SurveillanceProtocol) -> str:
    spec, cohort, last = ReleaseSpec.of(protocol), protocol.cohort, protocol.calendar.count - 1
    times = 1.0 if cohort is None else cohort.inflation(cohort.minimum)
    of = "a site" if cohort is None else f"in the sum over {cohort.minimum} sites"
    first, final = (times * spec.running_total_sd("pair", epoch) for epoch in (0, last))
    return f"sd {first:.1f} {of} at the first epoch, {final:.1f} at the last"


def _trust(protocol: SurveillanceProtocol) -> str:
    cohort = protocol.cohort
    if cohort is None:
        return "per-site: every site adds the whole noise"
    return (
        f"secure-sum: a sum is opened with at least {cohort.minimum} sites, of which {cohort.honest} are relied upon "
        "to add their noise"
    )
