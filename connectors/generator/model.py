"""The statistical model of the generated world: who gets which drug, and which reactions are then reported.

A report of drug d in a patient of age and sex x names reactions drawn with weights
base(r) * ratio(d, r) * susceptibility(r, x), without replacement. So a planted ratio is, before normalisation, the
reporting ratio, and a confounder arises as in life: from who is given the drug, never from the drug.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.generator.planted import PAIRS

__all__ = ["BYSTANDERS", "DRUGS", "ELDERLY_YEARS", "REACTIONS", "Floats", "drug_cdf", "reaction_cdf"]

Floats: TypeAlias = npt.NDArray[np.float64]

ELDERLY_YEARS = 65

_WOMEN, _OLD = 0.52, 0.42  # who is in hospital

# share of reports, share of them in the elderly, share of them in women
_DRUG_TABLE: Mapping[str, tuple[float, float, float]] = {
    "warfarin": (4.2, 0.55, _WOMEN),
    "rivaroxaban": (3.4, 0.55, _WOMEN),
    "heparin": (2.6, 0.45, _WOMEN),
    "aspirin": (3.6, 0.50, _WOMEN),
    "diclofenac": (3.2, 0.38, _WOMEN),
    "ibuprofen": (3.4, 0.30, _WOMEN),
    "omeprazole": (2.6, 0.42, _WOMEN),
    "metformin": (4.0, 0.42, _WOMEN),
    "empagliflozin": (2.6, 0.40, _WOMEN),
    "insulin glargine": (2.6, _OLD, _WOMEN),
    "lisinopril": (4.0, 0.46, _WOMEN),
    "amlodipine": (3.4, 0.46, _WOMEN),
    "spironolactone": (2.0, 0.50, _WOMEN),
    "furosemide": (2.8, 0.80, _WOMEN),
    "digoxin": (2.6, 0.93, _WOMEN),
    "amiodarone": (1.8, 0.55, 0.45),
    "simvastatin": (3.6, 0.48, _WOMEN),
    "atorvastatin": (3.8, 0.48, _WOMEN),
    "ciprofloxacin": (3.2, 0.38, _WOMEN),
    "amoxicillin": (4.4, 0.25, _WOMEN),
    "clarithromycin": (2.2, 0.36, _WOMEN),
    "vancomycin": (2.4, 0.44, _WOMEN),
    "gentamicin": (1.8, 0.40, _WOMEN),
    "nitrofurantoin": (1.6, 0.48, 0.80),
    "carbamazepine": (2.2, 0.26, _WOMEN),
    "levetiracetam": (2.0, 0.30, _WOMEN),
    "clozapine": (1.8, 0.12, 0.40),
    "quetiapine": (2.4, 0.30, _WOMEN),
    "sertraline": (2.8, 0.24, 0.62),
    "tramadol": (2.8, 0.40, _WOMEN),
    "morphine": (3.0, 0.45, _WOMEN),
    "paracetamol": (3.0, 0.32, _WOMEN),
    "methotrexate": (2.4, 0.34, 0.62),
    "prednisolone": (2.8, 0.42, _WOMEN),
    "levothyroxine": (3.4, 0.40, 0.93),
    "allopurinol": (1.8, 0.52, 0.30),
}

_COMMON, _USUAL, _UNCOMMON, _RARE = 5.0, 2.0, 0.8, 0.35

# how often it is reported at all; how many times as often in the elderly, in women
_REACTION_TABLE: Mapping[str, tuple[float, float, float]] = {
    "Nausea": (_COMMON, 1.0, 1.0),
    "Vomiting": (3.5, 1.0, 1.0),
    "Diarrhoea": (3.5, 1.0, 1.0),
    "Rash": (4.5, 0.9, 1.0),
    "Itching": (2.5, 1.0, 1.0),
    "Headache": (3.5, 0.9, 1.0),
    "Dizziness": (3.0, 1.3, 1.0),
    "Fatigue": (3.0, 1.1, 1.0),
    "Abdominal pain": (2.5, 1.0, 1.0),
    "Fever": (_USUAL, 1.0, 1.0),
    "Constipation": (_USUAL, 1.2, 1.0),
    "Indigestion": (1.5, 1.0, 1.0),
    "Drowsiness": (_USUAL, 1.1, 1.0),
    "Insomnia": (1.2, 1.0, 1.0),
    "Fall": (1.6, 5.0, 1.0),
    "Confusion": (1.4, 5.0, 1.0),
    "Hair loss": (0.7, 1.0, 9.0),
    "Breathlessness": (_USUAL, 1.2, 1.0),
    "Hives": (1.5, 0.8, 1.0),
    "Swollen legs": (1.3, 1.5, 1.0),
    "Muscle pain": (1.5, 1.0, 1.0),
    "Joint pain": (1.3, 1.1, 1.0),
    "Cough": (1.3, 1.0, 1.0),
    "Dry mouth": (1.0, 1.0, 1.0),
    "Blurred vision": (_UNCOMMON, 1.0, 1.0),
    "Tremor": (_UNCOMMON, 1.2, 1.0),
    "Fainting": (1.0, 1.6, 1.0),
    "Anaemia": (1.0, 1.4, 1.0),
    "Bruising": (1.0, 1.3, 1.0),
    "Raised liver enzymes": (1.2, 1.0, 1.0),
    "Acute kidney injury": (1.2, 1.5, 1.0),
    "Anaphylaxis": (_UNCOMMON, 1.0, 1.0),
    "Angioedema": (0.7, 1.0, 1.0),
    "Gastrointestinal bleeding": (1.2, 1.5, 1.0),
    "Nosebleed": (0.7, 1.2, 1.0),
    "Intracranial bleeding": (0.5, 1.4, 1.0),
    "Low platelets": (0.6, 1.0, 1.0),
    "Low white cells": (0.6, 1.0, 1.0),
    "Low sodium": (_UNCOMMON, 1.4, 1.0),
    "High potassium": (0.6, 1.3, 1.0),
    "Low blood sugar": (1.0, 1.1, 1.0),
    "Liver injury": (0.7, 1.0, 1.0),
    "Weight gain": (0.9, 1.0, 1.0),
    "Seizure": (0.6, 1.0, 1.0),
    "Slow heart rate": (0.7, 1.3, 1.0),
    "Long QT": (_RARE, 1.0, 1.0),
    "Infusion reaction": (0.5, 1.0, 1.0),
    "Slow breathing": (0.4, 1.2, 1.0),
    "Hearing loss": (_RARE, 1.2, 1.0),
    "Lung scarring": (_RARE, 1.2, 1.0),
    "Muscle breakdown": (0.4, 1.0, 1.0),
    "Tendon rupture": (0.3, 1.0, 1.0),
    "Lactic acidosis": (0.3, 1.0, 1.0),
    "Ketoacidosis": (0.3, 1.0, 1.0),
    "Severe blistering skin reaction": (0.3, 1.0, 1.0),
    "Genital infection": (_RARE, 1.0, 1.2),
}

DRUGS: tuple[str, ...] = tuple(_DRUG_TABLE)
"""Drugs of the generated world, names of ``pv-core``."""

REACTIONS: tuple[str, ...] = tuple(_REACTION_TABLE)
"""Reactions of the generated world, names of ``pv-core``."""

BYSTANDERS: Mapping[str, tuple[str, float]] = {"diclofenac": ("omeprazole", 0.45)}
"""Drugs reported as a second suspect beside another, and how often."""


def drug_cdf() -> Floats:
    """Cumulative probability of the suspect drug, shape (4, drugs): patients not old/old x men/women.

    The row of a patient is ``2 * is_old + is_woman``.
    """
    shares = np.array([_DRUG_TABLE[drug] for drug in DRUGS])
    rows = []
    for old in (1 - shares[:, 1], shares[:, 1]):
        rows += [shares[:, 0] * old * sex for sex in (1 - shares[:, 2], shares[:, 2])]
    weights = np.array(rows)
    return np.asarray(np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1))


def reaction_cdf(month: int) -> Floats:
    """Cumulative probability of a reaction in a month, shape (drugs, 4, reactions), patients as in `drug_cdf`."""
    table = np.array([_REACTION_TABLE[reaction] for reaction in REACTIONS])
    ratio = np.ones((len(DRUGS), len(REACTIONS)))
    for pair in PAIRS:
        if month >= pair.from_month:
            ratio[DRUGS.index(pair.drug), REACTIONS.index(pair.reaction)] = pair.ratio
    nobody = np.ones(len(REACTIONS))
    susceptibility = np.array([old * woman for old in (nobody, table[:, 1]) for woman in (nobody, table[:, 2])])
    weights = table[:, 0] * susceptibility[None, :, :] * ratio[:, None, :]
    return np.asarray(np.cumsum(weights / weights.sum(axis=2, keepdims=True), axis=2))
