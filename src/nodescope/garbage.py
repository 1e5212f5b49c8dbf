"""When Python looks for objects that refer to each other and to which no one else does.

Samples and scrapes make thousands of objects that live for a second and free themselves; looking through them at each
700, as Python does, finds nothing and takes a tenth of the agent's CPU. Source: Python's gc module.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""Objects more than at the last look, before there is another: a few megabytes."""


def settle() -> None:
    """Called once all that stays is there: that is never looked through again, and the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def collect() -> None:
    """Frees what has been left behind, that which was settled included."""
    settled = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if settled:
        gc.freeze()
