"""msgspec without typing_extensions."""

from __future__ import annotations

import subprocess
import sys

from tools.serving import own_environment

PROGRAM = """
import sys
import nodescope.__main__
import msgspec
print("inspect" in sys.modules, "typing_extensions" in sys.modules)
class Point(msgspec.Struct, frozen=True):
    x: int
    y: float | None = None
print(msgspec.json.decode(b'{"x": 1}', type=Point))
"""


def test_msgspec_works_without_what_it_does_not_need() -> None:
    """The command imports neither typing_extensions nor inspect, and structs decode all the same."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True, env=own_environment()
    )
    assert done.stdout.splitlines() == ["False False", "Point(x=1, y=None)"]
