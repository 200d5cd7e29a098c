"""Weights that the wallets of many patients pay, by `privacy.wallet.contribute` itself.

As long as a patient's pairs are no more than the operations a wallet allows, the weights depend on nothing but how many
new pairs each report brings. Patients who are alike in that are charged once together; every other patient is charged
alone, report by report.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kelsey.simulation.population import PatientPairs
from privacy.table_layout import TableLayout
from privacy.wallet import Account, WalletPolicy, contribute

__all__ = ["coordinate_sums", "wallet_weights"]


def wallet_weights(pairs: PatientPairs, policy: WalletPolicy) -> NDArray[np.int64]:
    """Weight of each row of `pairs` in grid units (2**-8), 0 where the wallet could not pay; shape (rows,)."""
    limit = pairs.visit_limit
    fresh = np.bincount(pairs.patient * limit + pairs.visit, minlength=pairs.patient_count * limit)
    fresh = fresh.reshape(pairs.patient_count, limit).astype(np.uint16)
    is_alone = fresh.sum(axis=1, dtype=np.int64) > policy.operation_limit
    alike = np.where(is_alone[:, None], np.uint16(0), fresh)
    # a row of counts as one value: numpy sorts that faster than rows
    packed = np.ascontiguousarray(alike).view(np.dtype((np.void, alike.dtype.itemsize * limit))).ravel()
    _, first, group = np.unique(packed, return_index=True, return_inverse=True)
    by_group = np.array([_weights(tuple(alike[row].tolist()), policy) for row in first], dtype=np.int64)
    weights: NDArray[np.int64] = by_group[group[pairs.patient], pairs.visit]
    starts = np.searchsorted(pairs.patient, np.arange(pairs.patient_count + 1))
    for patient in np.flatnonzero(is_alone).tolist():
        part = slice(starts[patient], starts[patient + 1])
        weights[part] = _charge(patient, pairs.visit[part].tolist(), pairs.cell[part].tolist(), policy)
    return weights


def coordinate_sums(pairs: PatientPairs, weight: NDArray[np.float64], layout: TableLayout) -> NDArray[np.float64]:
    """What all patients add to every coordinate of the tables, shape (layout.length,).

    A drug has the weight of the patient's pair that brought it first, as `privacy.patient_wallet.charge` has it where
    nothing is taken back; that both agree is tested.

    Parameters
    ----------
    weight
        Of each row of `pairs`, shape (rows,); 0 where it was not paid, or met another pair of the patient in a bucket.
    """
    sums = np.zeros(layout.length)
    place = pairs.cell if layout.residual is None else layout.residual.positions(pairs.cell)
    sums[: layout.cells] = np.bincount(place, weights=weight, minlength=layout.cells)
    paid = weight > 0
    drugs, reactions = pairs.cell // layout.reactions, pairs.cell % layout.reactions
    start = layout.cells
    for place, size in ((drugs, layout.drugs), (reactions, layout.reactions)):
        key = (pairs.patient * size + place)[paid]
        order = np.argsort(key * pairs.visit_limit + pairs.visit[paid], kind="stable")
        is_first = np.concatenate(([True], np.diff(key[order]) != 0))[: order.size]
        chosen = order[is_first]
        sums[start : start + size] = np.bincount(place[paid][chosen], weights=weight[paid][chosen], minlength=size)
        start += size
    return sums


@lru_cache(maxsize=1 << 16)
def _weights(fresh: tuple[int, ...], policy: WalletPolicy) -> tuple[int, ...]:
    """Weight of the new pairs of each report, for a patient whose reports bring so many."""
    account, weights, cell = Account(), [], 0
    for count in fresh:
        outcome = contribute(account, added=range(cell, cell + count), removed=(), policy=policy)
        weights.append(outcome.operations[0].weight if outcome.operations else 0)
        account, cell = outcome.account, cell + count
    return tuple(weights)


def _charge(patient: int, visits: list[int], cells: list[int], policy: WalletPolicy) -> list[int]:
    """Weights of one patient's pairs, in their order."""
    account, paid = Account(), {}
    for number in sorted(set(visits)):
        added = [cell for cell, visit in zip(cells, visits, strict=True) if visit == number]
        outcome = contribute(account, added=added, removed=(), policy=policy, salt=patient.to_bytes(8, "little"))
        account = outcome.account
        paid.update({operation.cell: operation.weight for operation in outcome.operations})
    return [paid.get(cell, 0) for cell in cells]
