"""One thing the doctor looked at."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Finding"]


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, whether it is well, what was found, and the way out where it is not."""

    name: str
    is_ok: bool
    detail: str
    way_out: str = ""

    def text(self) -> str:
        """For a person: one line, two where something is to be done."""
        line = f"{'ok  ' if self.is_ok else 'FAIL'}  {self.name}: {self.detail}"
        return f"{line}\n      -> {self.way_out}" if self.way_out and not self.is_ok else line

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return dict(msgspec.to_builtins(self))
