"""An aggregator process that dies without a word at the first step of a kind. For test_aggregator_service.py.

``python -m tests.hub.crashing_aggregator aggregator.toml STEP``
"""

from __future__ import annotations

import functools
import os
import signal
import sys

from hub.aggregator import service
from hub.aggregator.aggregator import Aggregator
from hub.aggregator.serve import serve_aggregator
from hub.aggregator.settings import load_aggregator_settings
from hub.aggregator.sum_sealer import SumSealer


def _die_at(step: str, reached: str) -> None:
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    reached = functools.partial(_die_at, sys.argv[2])
    vars(service)["Aggregator"] = functools.partial(Aggregator, reached=reached)
    vars(service)["SumSealer"] = functools.partial(SumSealer, reached=reached)
    serve_aggregator(load_aggregator_settings(sys.argv[1]))
