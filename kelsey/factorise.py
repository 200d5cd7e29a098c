"""Making a factorisation artefact, and saying how good it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from cases import ParameterError
from privacy.dense_factorisation import LARGEST_DENSE_EPOCHS, DenseFactorisation
from privacy.error_factors import ErrorFactors
from privacy.factorisation import SquareRootFactorisation
from privacy.factorisation_artefact import FactorisationArtefact
from privacy.optimal_strategy import OptimiserStep, optimal_strategy
from privacy.workload import Workload

__all__ = ["artefact_fields", "describe_artefact", "make_artefact"]


def make_artefact(
    workload: Workload,
    *,
    epochs: int,
    kind: Literal["dense", "buffered-toeplitz"],
    buffers: int,
    coefficient_bits: int,
    tolerance: float,
    say: Callable[[str], None],
) -> FactorisationArtefact:
    """Optimise a matrix for `workload` and round it to its grid.

    Parameters
    ----------
    epochs
        Length of the era; at most 2000 for a dense matrix.
    kind, buffers, coefficient_bits
        What to make; `buffers` is for ``buffered-toeplitz`` alone.
    tolerance
        A dense matrix is done within this ratio of the optimum.
    say
        Told a line of progress now and then.
    """
    emphasis = workload.by_epoch(epochs)
    if kind == "buffered-toeplitz":
        from privacy.fitted_buffers import fitted_buffers  # scipy.signal takes its time to import

        say(f"fitting {buffers} buffers to {epochs} epochs")
        fitted = fitted_buffers(
            emphasis, buffers=buffers, objective=workload.objective, coefficient_bits=coefficient_bits
        )
        return FactorisationArtefact.of(fitted, workload)
    if not epochs <= LARGEST_DENSE_EPOCHS:
        raise ParameterError(
            f"a dense matrix has at most {LARGEST_DENSE_EPOCHS} epochs, not {epochs}",
            hint="--kind buffered-toeplitz has no such limit",
        )

    def tell(step: OptimiserStep) -> None:
        if step.bound > 0 and (step.number % 5 == 0 or step.gap_ratio < tolerance):
            say(
                f"step {step.number}: {workload.objective} {step.objective:.4f}, optimum above {step.bound:.4f}, "
                f"gap {step.gap_ratio:.2%}, gradient {step.gradient:.1e}"
            )

    best = optimal_strategy(emphasis, objective=workload.objective, tolerance=tolerance, progress=tell)
    rounded = DenseFactorisation.project(best.matrix, coefficient_bits)
    return FactorisationArtefact.of(rounded, workload, bound=best.step.bound)


def describe_artefact(artefact: FactorisationArtefact) -> dict[str, Any]:
    """Facts about an artefact, and the square root's beside them; label to plain value."""
    ours, root = artefact.error_factors, SquareRootFactorisation(artefact.epochs, 8)
    theirs = ErrorFactors.of(root, artefact.workload.read_epochs)
    return {
        "hash": artefact.hash,
        "kind": artefact.kind,
        "epochs": artefact.epochs,
        "coefficient_bits": artefact.coefficient_bits,
        "objective": artefact.workload.objective,
        "emphasis": artefact.workload.emphasis,
        "read_epochs": len(artefact.workload.read_epochs) or artefact.epochs,
        "optimum_above": None if artefact.bound is None else round(artefact.bound, 4),
        "noise_factor_read_worst": round(ours.read_worst, 4),
        "noise_factor_read_rms": round(ours.read_rms, 4),
        "noise_factor_worst": round(ours.worst, 4),
        "noise_factor_rms": round(ours.rms, 4),
        "square_root_read_worst": round(theirs.read_worst, 4),
        "square_root_worst": round(theirs.worst, 4),
    }


def artefact_fields(artefact: FactorisationArtefact | None) -> dict[str, Any]:
    """Fields of a protocol that counts with `artefact`; none for the square root."""
    return {} if artefact is None else {"factorisation": artefact.hash, "coefficient_bits": artefact.coefficient_bits}
