"""Memory modules in text."""

from __future__ import annotations

import time
from pathlib import Path

from nodescope.collectors.memory_modules import source
from nodescope.collectors.memory_modules.memory_modules import build
from nodescope.collectors.parts import Parts
from nodescope.settings import Settings
from tests.collectors.host.machine import series
from tests.devices.test_memory import MemoryMachine

LONG_S = 20.0
SETTINGS = Settings({"collector.memory_modules.interval": 15.0}, {}, ())


def test_modules(tmp_path: Path) -> None:
    """Each module has its place, its size and its errors; what is not known is absent."""
    machine = MemoryMachine(tmp_path)
    machine.controller(ue_noinfo_count=1)
    machine.module(dimm_label="P1-DIMMA1", dimm_location="channel 0 slot 0 ", size=1024, dimm_ce_count=5)
    loop = source.loop(Parts(machine.host, SETTINGS))
    collector = build(machine.host, SETTINGS, loop)
    assert loop.first(time.monotonic() + LONG_S)
    families = collector.collect()
    loop.stop()
    assert collector.left_out == 0
    assert {family.metric for family in families} <= set(collector.metrics)
    placed, unplaced = 'controller="mc0",module="dimm0"', 'controller="mc0",module="unknown"'
    kinds = {"correctable": (5, 0), "uncorrectable": (0, 1)}
    assert series(families) == {
        f'nodescope_memory_module_info{{{placed},label="P1-DIMMA1",location="channel 0 slot 0",type=""}}': 1,
        f'nodescope_memory_module_info{{{unplaced},label="",location="",type=""}}': 1,
        f"nodescope_memory_module_size_bytes{{{placed}}}": 2**30,
        **{
            f'nodescope_memory_module_{kind}_errors_total{{{where},label="{label}"}}': count
            for kind, counts in kinds.items()
            for where, label, count in zip((placed, unplaced), ("P1-DIMMA1", ""), counts, strict=True)
        },
    }
