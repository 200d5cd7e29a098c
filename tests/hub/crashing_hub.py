"""A hub process that dies without a word after it stored a release and before it answers. For test_crash.py.

``python -m tests.hub.crashing_hub hub.toml`` prints its address, then serves.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime

from hub.intake import Receipt, ReleaseIntake
from hub.serve import HubServer
from hub.settings import load_hub_settings

_accept = ReleaseIntake.accept


def _accept_and_die(self: ReleaseIntake, line: bytes, *, received_at: datetime, sender: str | None = None) -> Receipt:
    _accept(self, line, received_at=received_at, sender=sender)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    ReleaseIntake.accept = _accept_and_die  # type: ignore[method-assign]  # the fault this process exists for
    server = HubServer(load_hub_settings(sys.argv[1]))
    print(server.address, flush=True)
    server.run()
