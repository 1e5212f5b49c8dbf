"""argv -> command."""

from __future__ import annotations

import sys

from nodescope._interrupt import as_exception  # before all else

# isort: split
import nodescope._msgspec  # noqa: F401  before anyone imports msgspec
from nodescope.cli import EXIT_INTERRUPTED, run


def main() -> None:
    try:
        as_exception()
        code = run(sys.argv[1:], sys.argv[0])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
