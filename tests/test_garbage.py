"""When Python looks for garbage, in a process of its own: it is set for the whole of one."""

from __future__ import annotations

import subprocess
import sys

from tools.serving import own_environment

PROGRAM = """
import gc
from nodescope import garbage

class Pair:
    freed = 0

    def __init__(self):
        self.other = self

    def __del__(self):
        Pair.freed += 1

kept = Pair()
garbage.settle()
print(gc.get_freeze_count() > 0, gc.get_threshold()[0] == garbage.YOUNG_OBJECTS)
del kept
gc.collect()
print(Pair.freed)
garbage.collect()
print(Pair.freed, gc.get_freeze_count() > 0)
Pair()
pairs = [Pair() for _ in range(3)]
del pairs
more = [[] for _ in range(2 * garbage.YOUNG_OBJECTS)]
print(Pair.freed)
"""


def test_garbage_is_found_in_the_end() -> None:
    """What was settled is freed when all is collected, what is new when there are too many objects, and not before."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=own_environment(),
    )
    assert done.stdout.split() == ["True", "True", "0", "1", "True", "5"]
