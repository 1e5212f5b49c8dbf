"""argv -> command."""

from __future__ import annotations

import sys

if "typing_extensions" not in sys.modules:
    # msgspec takes it where it is installed, though it needs nothing of it from Python 3.11 on: 1.9 MB.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec as _  # noqa: F401

    del sys.modules["typing_extensions"]

from nodescope.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:], sys.argv[0]))


if __name__ == "__main__":
    main()
