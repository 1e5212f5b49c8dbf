"""argv -> command."""

from __future__ import annotations

import sys

import nodescope._msgspec  # noqa: F401  before anyone imports msgspec
from nodescope.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:], sys.argv[0]))


if __name__ == "__main__":
    main()
