"""From the hash in a protocol to the artefact of its strategy matrix: in a file beside it, or built in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from cases.errors import ConfigurationError
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.strategy_matrix import StrategyMatrix

__all__ = ["BUILT_IN", "built_in_artefact", "chosen_strategy", "factorisation_beside", "find_artefact", "find_built_in"]

BUILT_IN = {"daily-year": "e75ed90cbb7e1ab053f756ed7ecd22c3a2671770c22e139156d909fcecaf4bdd"}


@cache
def built_in_artefact(name: str) -> FactorisationArtefact:
    """The artefact of that name in `BUILT_IN`; raises `ConfigurationError` where the installation holds another."""
    artefact = FactorisationArtefact.decode(files("privacy").joinpath("factorisations", f"{name}.json").read_bytes())
    if artefact.hash != BUILT_IN[name]:
        raise ConfigurationError(f"the built-in factorisation {name} is damaged", hint="install Kelsey again")
    return artefact


def find_built_in(wanted: str) -> FactorisationArtefact:
    """The built-in artefact with the hash `wanted`; raises `ConfigurationError` where there is none."""
    for name, known in BUILT_IN.items():
        if known == wanted:
            return built_in_artefact(name)
    raise ConfigurationError(
        f"the protocol counts with factorisation {wanted}, whose artefact is not at hand",
        hint="put it beside the protocol: protocol.factorisation.json for protocol.json",
    )


def factorisation_beside(protocol_file: Path) -> Path:
    """Where the artefact of a protocol is looked for first: ``protocol.factorisation.json`` for ``protocol.json``."""
    return protocol_file.with_suffix(".factorisation.json")


def find_artefact(wanted: str, *, protocol_file: Path, factorisation_file: Path | None) -> FactorisationArtefact:
    """What `factorisation_file` holds, else the file beside the protocol, else the built-in artefact `wanted`.

    Raises `ConfigurationError` where there is none, or a file holds no sound artefact; whether it is the one wanted is
    for `chosen_strategy` to see.
    """
    beside = factorisation_beside(protocol_file)
    if factorisation_file is not None:
        return FactorisationArtefact.load(factorisation_file)
    return FactorisationArtefact.load(beside) if beside.exists() else find_built_in(wanted)


def chosen_strategy(
    artefact: FactorisationArtefact, *, wanted: str, epochs: int, coefficient_bits: int
) -> StrategyMatrix:
    """The matrix of `artefact`; raises `ConfigurationError` where a protocol with these fields means another."""
    if artefact.hash != wanted:
        raise ConfigurationError(
            f"the factorisation artefact has the hash {artefact.hash}, the protocol names {wanted}",
            hint="ask for the artefact that belongs to the protocol",
        )
    for name, ours, theirs in (
        ("epochs", artefact.epochs, epochs),
        ("coefficient_bits", artefact.coefficient_bits, coefficient_bits),
    ):
        if ours != theirs:
            raise ConfigurationError(f"the factorisation artefact has {name} {ours}, the protocol {theirs}")
    return artefact.strategy
