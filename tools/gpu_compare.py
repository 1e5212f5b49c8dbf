"""nodescope's readings of the NVIDIA GPUs of this machine beside those of nvidia-smi, idle and under load.

    python -m tools.gpu_compare [--settle 12]   print the table; exit 1 where a reading differs, 77 without a GPU

Both read the same card within a second of each other, nvidia-smi before and after: what does not move must be equal,
what moves must lie between its two readings, give or take what the quantity moves in a second. Settings are those of
the environment, such as NODESCOPE_COLLECTOR_GPU_NVML_LIBRARY. Any user may run it; nothing of the GPU is changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from nodescope import configuration
from nodescope.collectors.gpu.observing import nvml_source, smi_source
from nodescope.collectors.parts import Parts
from nodescope.devices.source import LibraryMissing, Observed, Source, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReading
from tools.markdown import table

NO_GPU: Final = 77
DIFFERS: Final = "DIFFERS"
OURS_ABSENT: Final = "ours is absent"
START_S: Final = 60.0
SETTLE_S: Final = 12.0
"""What is read seldom is read each 10 s."""

LOAD_S: Final = 120
END_S: Final = 10.0
MIB: Final = 1024 * 1024

# What moves, and how far in a second; what is not here must be equal.
MOVES: Final[dict[str, float]] = {
    "utilization_percent": 40.0,
    "memory_utilization_percent": 40.0,
    "encoder_utilization_percent": 10.0,
    "decoder_utilization_percent": 10.0,
    "jpeg_utilization_percent": 10.0,
    "ofa_utilization_percent": 10.0,
    "memory_used_bytes": 64.0 * MIB,
    "memory_free_bytes": 64.0 * MIB,
    "bar1_used_bytes": 16.0 * MIB,
    "bar1_free_bytes": 16.0 * MIB,
    "temperature_celsius": 4.0,
    "memory_temperature_celsius": 4.0,
    "temperature_margin_celsius": 4.0,
    "power_milliwatts": 120_000.0,
    "power_average_milliwatts": 120_000.0,
    "power_instant_milliwatts": 250_000.0,
    "clock_graphics_megahertz": 400.0,
    "clock_sm_megahertz": 400.0,
    "clock_memory_megahertz": 100.0,
    "clock_video_megahertz": 400.0,
    "throttle_reasons": float("inf"),
    # nvidia-smi tells the mask in parts, of which each driver has others.
    "fabric_health_mask": float("inf"),
    "performance_state": 8.0,
    "fan_speed_percent": 15.0,
    # Lowered while nothing is sent, on some boards.
    "pcie_generation": 6.0,
    "pcie_replays": 100.0,
    "pcie_tx_kilobytes_per_second": float("inf"),
    "pcie_rx_kilobytes_per_second": float("inf"),
    "power_violation_ns": 5e9,
    "thermal_violation_ns": 5e9,
    "sync_boost_violation_ns": 5e9,
}
# nvidia-smi writes these with less precision than the library gives.
ROUNDED: Final[dict[str, float]] = {"bytes": float(MIB), "milliwatts": 10.0}


class Compared(NamedTuple):
    """One reading of one GPU, from both."""

    gpu: str
    state: str
    field: str
    own: float | None
    before: float | None
    after: float | None

    @property
    def verdict(self) -> str:
        if self.own is None:
            return OURS_ABSENT
        if self.before is None or self.after is None:
            return "nvidia-smi has none"
        slack = MOVES.get(self.field, ROUNDED.get(self.field.rsplit("_", 1)[-1], 0.0))
        low, high = min(self.before, self.after), max(self.before, self.after)
        return "equal" if low - slack <= self.own <= high + slack else DIFFERS


def observe(source: Source) -> Observed:
    """What `source` reads from now on, once it has reports. Raises `SourceFailed` or `Absent`.

    Without persistence mode a driver takes long to start: meanwhile the source has nothing to tell.
    """
    deadline = time.monotonic() + START_S
    wait_s = 0.0
    while True:
        try:
            observed = source.observe(wait_s)
        except LibraryMissing:
            raise
        except SourceFailed:
            if source.status().state == "failed" or time.monotonic() > deadline:
                raise
            observed = None
        if wait_s and observed is not None and (observed.reports or time.monotonic() > deadline):
            return observed
        wait_s = 1.0


def compared(own: Source, rival: Sequence[Source], state: str) -> Iterator[Compared]:
    """Every reading that either has, of each GPU. `rival`: two sources that have read nothing yet."""
    before, ours, after = observe(rival[0]), observe(own), observe(rival[1])
    mine, first, second = ({r.uuid: r.reading for r in observed.reports} for observed in (ours, before, after))
    for uuid in {**mine, **first}:
        readings = [readings.get(uuid, GpuReading()) for readings in (mine, first, second)]
        for field in GpuReading.__struct_fields__:
            values = [getattr(reading, field) for reading in readings]
            if not isinstance(values[0], dict) and any(value is not None for value in values):
                yield Compared(uuid, state, field, *values)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_compare")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds before each comparison")
    settle_s = parser.parse_args(arguments).settle
    parts = Parts(Host(), configuration.load({}, os.environ))
    own = nvml_source(parts, lambda xid: None)
    try:
        observe(own)
        time.sleep(settle_s)
        rows = beside(parts, own, "idle")
        rows += under_load(parts, own, settle_s)
    except (Absent, SourceFailed) as error:
        print(f"no NVIDIA GPU can be read here: {error}", file=sys.stderr)
        return NO_GPU
    finally:
        own.close()
    print(table(("GPU", "state", "reading", "nodescope", "nvidia-smi before", "after", ""), map(spelled, rows)))
    wrong = [row for row in rows if row.verdict == DIFFERS]
    absent = [row for row in rows if row.verdict == OURS_ABSENT]
    print(f"\n{len(rows)} readings, {len(wrong)} differ, {len(absent)} that nvidia-smi has are absent here")
    return 1 if wrong else 0


def beside(parts: Parts, own: Source, state: str) -> list[Compared]:
    """All rows, with two runs of nvidia-smi."""
    rivals = (smi_source(parts), smi_source(parts))
    try:
        return list(compared(own, rivals, state))
    finally:
        for rival in rivals:
            rival.close()


def under_load(parts: Parts, own: Source, settle_s: float) -> list[Compared]:
    """The same while a GPU is busy; nothing where it cannot be made so: what is idle is not called load."""
    load = subprocess.Popen([sys.executable, "-m", "tools.gpu_load", "--seconds", str(LOAD_S)])
    try:
        time.sleep(settle_s)
        if load.poll() is not None:
            print(f"there is no load: tools.gpu_load ended with {load.returncode}", file=sys.stderr)
            return []
        return beside(parts, own, "load")
    finally:
        load.terminate()
        load.wait(END_S)


def spelled(row: Compared) -> tuple[str, ...]:
    numbers = ("" if value is None else f"{value:g}" for value in (row.own, row.before, row.after))
    return (row.gpu[:12], row.state, row.field, *numbers, row.verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
