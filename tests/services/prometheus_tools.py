"""Paths of Prometheus and its rule checker."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PrometheusTools"]


@dataclass(frozen=True, slots=True)
class PrometheusTools:
    """The real programs: `prometheus` (the server) and `promtool` (rule checks and rule unit tests)."""

    prometheus: Path
    promtool: Path

    @classmethod
    def find(cls) -> PrometheusTools:
        """Look in the search path. Raises `FileNotFoundError` if one is not there."""
        found = [shutil.which(name) for name in ("prometheus", "promtool")]
        if found[0] is None or found[1] is None:
            raise FileNotFoundError("prometheus and promtool must be in PATH")
        return cls(Path(found[0]), Path(found[1]))
