"""What a benchmark hands back, and the table they are printed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "render"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number beside its peer's, both from the same run on the same machine.

    Parameters
    ----------
    what
        What was measured, in words.
    ours, peer_value
        The two measurements, both in `unit`.
    peer
        What it is compared with: another program, or our own value under another load.
    unit
        Unit of both, e.g. ``ms`` or ``cases/s``.
    ratio
        How many times better ours is than the peer's (a rate: ours / peer; a time: peer / ours).
    reach
        The number to reach, in words.
    met
        Whether it was reached in this run.
    """

    what: str
    ours: float
    peer: str
    peer_value: float
    unit: str
    ratio: float
    reach: str
    met: bool


def _number(value: float) -> str:
    """Three significant digits below 1,000, thousands separated above."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def render(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, in their order, without a final newline."""
    lines = ["| what | ours | peer | peer's value | ratio | to reach | met |", "|---|--:|---|--:|--:|---|---|"]
    lines += [
        f"| {row.what} | {_number(row.ours)} {row.unit} | {row.peer} | {_number(row.peer_value)} {row.unit} "
        f"| {_number(row.ratio)}x | {row.reach} | {'yes' if row.met else 'no'} |"
        for row in rows
    ]
    return "\n".join(lines)
