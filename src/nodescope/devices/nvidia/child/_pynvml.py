"""nvidia-ml-py, imported without ctypes.util.

It takes `find_library` from there and does not use it on Linux; with it come subprocess, tempfile and shutil: 1 MB.
While it is imported the name stands for a module with this function alone; afterwards whoever imports it gets it.
"""

from __future__ import annotations

import sys
from types import ModuleType


def _find_library(name: str) -> None:
    """Nothing is found; nothing is looked for."""


if "ctypes.util" in sys.modules:
    import pynvml as pynvml
else:
    _stand_in = ModuleType("ctypes.util")
    _stand_in.find_library = _find_library  # type: ignore[attr-defined]
    sys.modules["ctypes.util"] = _stand_in
    import pynvml as pynvml

    del sys.modules["ctypes.util"]
