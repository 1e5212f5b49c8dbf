"""msgspec, imported without typing_extensions.

msgspec takes that where it is installed, though it needs nothing of it from Python 3.11 on, and with it come inspect,
ast and dis: 1.9 MB. While msgspec is imported the name stands for nothing; afterwards whoever imports it gets it.
"""

from __future__ import annotations

import sys

if "typing_extensions" in sys.modules:
    import msgspec as _
else:
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec as _  # noqa: F401

    del sys.modules["typing_extensions"]
