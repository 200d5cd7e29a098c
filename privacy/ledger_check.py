"""Whether a ledger's steps are what they claim to be: chain, order of states, caps, and bytes by their hashes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from cases.errors import IntegrityError
from privacy.cap_change import SignedCapChange
from privacy.ledger_entry import ReleaseState
from privacy.ledger_step import CAP_STATE, GENESIS, Step, payload_digest

__all__ = ["check_steps"]

_BEFORE = {
    ReleaseState.RESERVED: None,
    ReleaseState.SEALED: ReleaseState.RESERVED,
    ReleaseState.SENT: ReleaseState.SEALED,
}


def check_steps(
    rows: Iterable[tuple[Step, str]],
    *,
    payload: Callable[[str, int], bytes | None],
    authorisation: Callable[[int], bytes | None],
) -> str:
    """The hash of the newest step; raises `IntegrityError`, naming the step that is wrong.

    Parameters
    ----------
    rows
        All steps with their stored hashes, in order.
    payload, authorisation
        Sealed bytes of an era's epoch, and the signed change of a cap by step number.
    """
    previous = GENESIS
    spent, caps, changes = Counter[str](), dict[str, int](), Counter[str]()
    first: dict[str, str] = {}
    states: dict[tuple[str, int], str] = {}
    for number, (step, stored) in enumerate(rows, start=1):
        where, key = f"ledger step {number}", (step.era, step.epoch)
        if step.number != number or stored != step.hash_after(previous):
            raise IntegrityError(f"{where}: the hash chain is broken")
        if step.state == CAP_STATE:
            data = authorisation(number)
            if data is None or payload_digest(data) != step.payload_hash:
                raise IntegrityError(f"{where}: the authorisation differs from its hash")
            signed = SignedCapChange.decode(data)
            _check_change(signed, step, (first.get(step.era, ""), changes[step.era], caps.get(step.era, -1)), where)
            changes[step.era] += 1
        else:
            if states.get(key) != _BEFORE[ReleaseState(step.state)]:
                raise IntegrityError(f"{where}: {step.state} comes out of turn")
            if caps.setdefault(step.era, step.cap) != step.cap:
                raise IntegrityError(f"{where}: the cap of era {step.era} changed without two signatures")
            if step.state == ReleaseState.SEALED:
                sealed = payload(*key)
                if sealed is None or payload_digest(sealed) != step.payload_hash:
                    raise IntegrityError(f"{where}: the sealed bytes differ from their hash")
            states[key] = step.state
        spent[step.era] += step.cost
        caps[step.era] = step.cap
        if not spent[step.era] <= step.cap:
            raise IntegrityError(f"{where}: era {step.era} is overspent")
        first.setdefault(step.era, stored)
        previous = stored
    return previous


def _check_change(signed: SignedCapChange, step: Step, known: tuple[str, int, int], where: str) -> None:
    """A cap step must be exactly what two people signed for this place in this ledger."""
    try:
        signed.require_two_people()
    except IntegrityError as error:
        raise IntegrityError(f"{where}: {error.message}") from error
    change = signed.change
    said = (change.era, change.era_start, change.number, change.old_cap)
    if said != (step.era, *known) or (change.new_cap, change.number, step.cost) != (step.cap, step.epoch, 0):
        raise IntegrityError(f"{where}: the cap is not the one that was signed")
