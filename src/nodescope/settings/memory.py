"""The collector of memory modules, and its options."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

MEMORY: Final[tuple[Collects, ...]] = (Collects("memory_modules", "memory modules and their errors"),)

MEMORY_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.memory_modules.interval",
        "duration",
        15.0,
        "Time between two readings of the modules' errors; which modules there are is read each minute.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
)
