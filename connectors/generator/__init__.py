"""Seeded hospitals: FHIR records with narratives, planted associations, planted confounders and planted dirt."""

from connectors.generator.hospital import HOSPITALS, Hospital, HospitalGenerator, PlayedRecord
from connectors.generator.planted import ConfounderKind, PlantedConfounder, PlantedPair
from connectors.generator.source import GeneratorSource

__all__ = [
    "HOSPITALS",
    "ConfounderKind",
    "GeneratorSource",
    "Hospital",
    "HospitalGenerator",
    "PlantedConfounder",
    "PlantedPair",
    "PlayedRecord",
]
