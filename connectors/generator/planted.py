"""What is true in the generated world: which drugs cause which reactions, and what only looks as if it did."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["CONFOUNDERS", "PAIRS", "ConfounderKind", "PlantedConfounder", "PlantedPair"]


class PlantedPair(msgspec.Struct, frozen=True):
    """A true association.

    Parameters
    ----------
    drug, reaction
        Names of the vocabulary ``pv-core``.
    ratio
        How many times as often the reaction is reported with the drug as with others; above 1.
    from_month
        First month (0 is the first) in which it holds: a harm that begins with a new batch or a new use.
    """

    drug: str
    reaction: str
    ratio: float
    from_month: int = 0


class ConfounderKind(StrEnum):
    """Why an association is seen that is none."""

    AGE = "age"  # the drug goes to the old, in whom the reaction is common
    SEX = "sex"  # the drug goes to women, in whom the reaction is common
    CO_MEDICATION = "co-medication"  # an innocent bystander of the drug that does it


class PlantedConfounder(msgspec.Struct, frozen=True):
    """An association that is seen in the crude table and is not true."""

    drug: str
    reaction: str
    kind: ConfounderKind


PAIRS: tuple[PlantedPair, ...] = (
    PlantedPair("warfarin", "Gastrointestinal bleeding", 7.0),
    PlantedPair("warfarin", "Intracranial bleeding", 14.0),
    PlantedPair("rivaroxaban", "Nosebleed", 10.0),
    PlantedPair("heparin", "Low platelets", 24.0),
    PlantedPair("diclofenac", "Gastrointestinal bleeding", 9.0),
    PlantedPair("metformin", "Lactic acidosis", 26.0),
    PlantedPair("empagliflozin", "Ketoacidosis", 34.0),
    PlantedPair("empagliflozin", "Genital infection", 32.0),
    PlantedPair("lisinopril", "Angioedema", 12.0),
    PlantedPair("lisinopril", "Cough", 7.0),
    PlantedPair("spironolactone", "High potassium", 22.0),
    PlantedPair("amiodarone", "Lung scarring", 40.0),
    PlantedPair("simvastatin", "Muscle breakdown", 20.0),
    PlantedPair("ciprofloxacin", "Tendon rupture", 45.0, 4),
    PlantedPair("clarithromycin", "Long QT", 30.0),
    PlantedPair("vancomycin", "Infusion reaction", 28.0),
    PlantedPair("gentamicin", "Hearing loss", 34.0),
    PlantedPair("carbamazepine", "Severe blistering skin reaction", 42.0),
    PlantedPair("carbamazepine", "Low sodium", 15.0),
    PlantedPair("clozapine", "Low white cells", 24.0),
    PlantedPair("quetiapine", "Weight gain", 14.0),
    PlantedPair("morphine", "Slow breathing", 20.0),
    PlantedPair("methotrexate", "Liver injury", 18.0, 3),
    # weak ones: a year of three hospitals hardly shows them, and the hub through its noise should not
    PlantedPair("tramadol", "Seizure", 3.0),
    PlantedPair("nitrofurantoin", "Lung scarring", 4.0),
    PlantedPair("allopurinol", "Severe blistering skin reaction", 4.0),
    PlantedPair("levetiracetam", "Drowsiness", 1.6),
)
"""True associations of the generated world."""

CONFOUNDERS: tuple[PlantedConfounder, ...] = (
    PlantedConfounder("digoxin", "Fall", ConfounderKind.AGE),
    PlantedConfounder("digoxin", "Confusion", ConfounderKind.AGE),
    PlantedConfounder("furosemide", "Fall", ConfounderKind.AGE),
    PlantedConfounder("levothyroxine", "Hair loss", ConfounderKind.SEX),
    PlantedConfounder("omeprazole", "Gastrointestinal bleeding", ConfounderKind.CO_MEDICATION),
)
"""Associations that are seen and are not true."""
