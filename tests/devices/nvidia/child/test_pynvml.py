"""What is kept of nvidia-ml-py."""

from __future__ import annotations

import ctypes
import re
import runpy
from pathlib import Path

import pynvml as whole

from nodescope.devices.nvidia import child
from nodescope.devices.nvidia.child._pynvml import USED, needed, pynvml

MODULE = """
def a(): return B
class C:
    def f(self): return a
class B(C): pass
def other(): return B
"""


def shown(structure: object) -> str:
    return str(structure).partition(" object at")[0]


def test_all_that_is_used_is_kept() -> None:
    """The table has what the child's files name, no more and no less, and all of it is there."""
    (folder,) = child.__path__
    files = [path for path in Path(folder).glob("*.py") if path.name != "_pynvml.py"]
    assert {name for path in files for name in re.findall(r"\bpynvml\.(\w+)", path.read_text())} == set(USED)
    assert [name for name in USED if not hasattr(pynvml, name)] == []


def test_structures_work_as_in_the_whole() -> None:
    """Their layouts, methods and texts are those of the whole module, which others still get."""
    for name in USED:
        kept, real = getattr(pynvml, name), getattr(whole, name)
        if isinstance(real, type):
            assert ctypes.sizeof(kept) == ctypes.sizeof(real), name
            if issubclass(real, ctypes.Structure):
                assert shown(kept()) == shown(real()), name
    assert callable(whole.nvmlInit)


def test_what_code_speaks_of_is_needed(tmp_path: Path) -> None:
    """Functions and types bring with them what their code, and that of what they bring, names."""
    file = tmp_path / "module.py"
    file.write_text(MODULE)
    namespace = runpy.run_path(str(file))
    assert needed(namespace, ["B", "not there"]) == {"B", "a"}
    assert needed(namespace, ["other"]) == {"other", "B", "a"}
