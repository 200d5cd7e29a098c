"""What `kelsey ledger` looks up and says; a copy is enough, nothing is locked or written but by `apply_cap`."""

from __future__ import annotations

import re
from math import sqrt
from pathlib import Path
from typing import Any

from cases import IntegrityError, ParameterError
from kelsey.console import table
from privacy.accounting import mu_from_epsilon_delta
from privacy.cap_change import SignedCapChange
from privacy.key_file import load_private_key
from privacy.ledger import BudgetLedger
from privacy.ledger_entry import ReleaseState
from privacy.release_spec import MICRO
from streams.settings import SiteSettings, load_site_settings

__all__ = ["apply_cap", "ledger_text", "propose_cap", "sign_cap", "verify_ledger"]


def verify_ledger(file: Path, *, published: str | None, against: Path | None, config: Path | None) -> dict[str, Any]:
    """Recompute a ledger, compare it with what is known elsewhere, and give its entries by era.

    Parameters
    ----------
    published
        SHA-256 of a release that the hub has.
    against
        Another copy of the same ledger, be it older.
    config
        A site's settings, whose signers are those who may change a cap.

    Raises
    ------
    ParameterError
        `published` is no SHA-256.
    IntegrityError
        The ledger contradicts itself, does not know the release, or is older than, or another than, the copy.
    """
    if published is not None and re.fullmatch(r"[0-9a-fA-F]{64}", published) is None:
        raise ParameterError(
            f"published must be a SHA-256, 64 hexadecimal digits, not {published!r}",
            hint="the hub shows it as the release's digest",
        )
    with BudgetLedger(file, is_read_only=True) as ledger:
        entries, hashes = ledger.entries(), ledger.hashes()
        eras = list(dict.fromkeys(entry.era for entry in entries))
        if published is not None and not any(entry.payload_hash == published.lower() for entry in entries):
            raise IntegrityError(
                "this ledger does not know the published release: it was restored from an older backup, or is another",
                hint="release nothing from it; put the newest ledger back",
            )
        if against is not None:
            _compare(hashes, against)
        allowed = load_site_settings(config).signer_keys() if config is not None else None
        for era in eras:
            for signed in ledger.cap_changes(era):
                signed.require_two_people(allowed)
        return {
            "file": str(file),
            "is_sound": True,
            "steps": len(hashes),
            "eras": [_era(ledger, era) for era in eras],
        }


def _era(ledger: BudgetLedger, era: str) -> dict[str, Any]:
    entries = [entry for entry in ledger.entries() if entry.era == era]
    return {
        "era": era,
        "spent_micro_mu2": ledger.spent(era),
        "cap_micro_mu2": ledger.cap(era),
        "cap_changes": [
            {
                "from": signed.change.old_cap,
                "to": signed.change.new_cap,
                "reason": signed.change.reason,
                "signed_by": [f"{each.party} {each.fingerprint}" for each in signed.signatures],
            }
            for signed in ledger.cap_changes(era)
        ],
        "entries": [
            {
                "epoch": entry.epoch,
                "state": str(entry.state),
                "cost_micro_mu2": entry.cost,
                "release": entry.payload_hash,
            }
            for entry in entries
        ],
    }


def _compare(hashes: list[str], other: Path) -> None:
    with BudgetLedger(other, is_read_only=True) as ledger:
        theirs = ledger.hashes()
    if hashes[: len(theirs)] == theirs:
        return
    if theirs[: len(hashes)] == hashes:
        raise IntegrityError(
            f"this ledger is older than the copy: it lacks {len(theirs) - len(hashes)} of its {len(theirs)} steps",
            hint="release nothing from it; put the newest ledger back",
        )
    raise IntegrityError("this ledger and the copy went different ways: one of them is not the site's")


def ledger_text(found: dict[str, Any]) -> str:
    """A ledger in words: eras, their entries, and the verdict."""
    parts = []
    for era in found["eras"]:
        mu, cap = (sqrt(era[f"{name}_micro_mu2"] / MICRO) for name in ("spent", "cap"))
        parts.append(f"era {era['era']}: mu {mu:.4f} of {cap:.4f} spent")
        parts += [
            f"  cap changed from {each['from']} to {each['to']} ({each['reason']}), signed by "
            + " and ".join(each["signed_by"])
            for each in era["cap_changes"]
        ]
        rows = [(e["epoch"], e["state"], e["cost_micro_mu2"], e["release"][:16] or "-") for e in era["entries"]]
        parts.append(table(rows, header=("epoch", "state", "cost", "release")))
    waiting = sum(entry["state"] != ReleaseState.SENT.value for era in found["eras"] for entry in era["entries"])
    parts.append(f"sound: {found['steps']} steps, every hash recomputed; {waiting} epochs not sent yet")
    return "\n".join(parts)


def propose_cap(config: Path, *, epsilon: float, reason: str, out: Path) -> SignedCapChange:
    """Write the document by which the cap of the protocol's era becomes what `epsilon` grants, for two to sign."""
    settings = load_site_settings(config)
    protocol = settings.protocol()
    if protocol is None:
        raise IntegrityError("the site has no protocol, so no era")
    cap = int(mu_from_epsilon_delta(epsilon, protocol.delta) ** 2 * MICRO)
    with BudgetLedger(_ledger_path(settings), is_read_only=True) as ledger:
        made = SignedCapChange(change=ledger.propose_cap(protocol.era, cap, reason=reason))
    out.write_bytes(made.encode() + b"\n")
    return made


def sign_cap(file: Path, key: Path, *, party: str) -> SignedCapChange:
    """Add a signature to the document."""
    signed = SignedCapChange.decode(file.read_bytes()).sign(load_private_key(key), party=party)
    file.write_bytes(signed.encode() + b"\n")
    return signed


def apply_cap(file: Path, config: Path) -> SignedCapChange:
    """Put a change that two of the site's signers have signed into the site's ledger; the gate must not run."""
    settings = load_site_settings(config)
    signed = SignedCapChange.decode(file.read_bytes())
    with BudgetLedger(_ledger_path(settings)) as ledger:
        ledger.change_cap(signed, allowed=settings.signer_keys())
    return signed


def _ledger_path(settings: SiteSettings) -> Path:
    path = settings.data_directory / "ledger.sqlite"
    if not path.exists():
        raise IntegrityError(f"{path} is not here", hint="run it where the gate's data_directory lies")
    return path
