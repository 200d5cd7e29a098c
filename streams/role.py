"""One role of a site as a program: ``python -m streams.role CONFIG ROLE LISTEN``; what the supervisor starts."""

from __future__ import annotations

import sys

from cases import KelseyError
from streams.run import run_role
from streams.settings import load_site_settings

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the role; 1 with one line on standard error where it cannot."""
    config, role, listen = arguments
    try:
        return run_role(load_site_settings(config), role, metrics_listen=listen)
    except KelseyError as error:
        sys.stderr.write(f"{role}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
