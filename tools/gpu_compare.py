"""nodescope's readings of the NVIDIA GPUs of this machine beside those of nvidia-smi, idle and under load.

    python -m tools.gpu_compare            print the table; exit 1 where a reading differs, 77 where there is no GPU

Both read the same card within a second of each other, nvidia-smi before and after: what does not move must be equal,
what moves must lie between its two readings, give or take what the quantity moves in a second.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from nodescope import configuration
from nodescope.collectors.gpu.observing import nvml_source, smi_source
from nodescope.collectors.parts import Parts
from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReading
from tools.markdown import table

NO_GPU: Final = 77
START_S: Final = 60.0
SETTLE_S: Final = 6.0
LOAD_S: Final = 25
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
    "performance_state": 8.0,
    "fan_speed_percent": 15.0,
    "pcie_replays": 100.0,
    "pcie_tx_kilobytes_per_second": float("inf"),
    "pcie_rx_kilobytes_per_second": float("inf"),
    "power_violation_ns": 5e9,
    "thermal_violation_ns": 5e9,
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
            return "ours is absent"
        if self.before is None or self.after is None:
            return "nvidia-smi has none"
        slack = MOVES.get(self.field, ROUNDED.get(self.field.rsplit("_", 1)[-1], 0.0))
        low, high = min(self.before, self.after), max(self.before, self.after)
        return "equal" if low - slack <= self.own <= high + slack else "DIFFERS"


def observe(source: Source) -> Observed:
    """The newest of `source`, once it has reports. Raises `SourceFailed` or `Absent`."""
    deadline = time.monotonic() + START_S
    while True:
        observed = source.observe(1.0)
        if observed.reports or time.monotonic() > deadline:
            return observed


def compared(own: Source, rival: Sequence[Source], state: str) -> Iterator[Compared]:
    """Every reading that either has, of each GPU. `rival`: two sources that have read nothing yet."""
    before, ours, after = observe(rival[0]), observe(own), observe(rival[1])
    first, second = ({r.uuid: r.reading for r in observed.reports} for observed in (before, after))
    for report in ours.reports:
        for field in GpuReading.__struct_fields__:
            values = [getattr(r, field) for r in (report.reading, first[report.uuid], second[report.uuid])]
            if not isinstance(values[0], dict) and any(value is not None for value in values):
                yield Compared(report.uuid, state, field, *values)


def main(arguments: Sequence[str]) -> int:
    parts = Parts(Host(), configuration.load({}, {}))
    own = nvml_source(parts, lambda xid: None)
    try:
        observe(own)
        time.sleep(SETTLE_S)
        rows = list(compared(own, (smi_source(parts), smi_source(parts)), "idle"))
        load = subprocess.Popen([sys.executable, "-m", "tools.gpu_load", "--seconds", str(LOAD_S)])
        try:
            time.sleep(SETTLE_S)
            rows += compared(own, (smi_source(parts), smi_source(parts)), "load")
        finally:
            load.terminate()
            load.wait(LOAD_S)
    except (Absent, SourceFailed) as error:
        print(f"no NVIDIA GPU can be read here: {error}", file=sys.stderr)
        return NO_GPU
    finally:
        own.close()
    print(table(("GPU", "state", "reading", "nodescope", "nvidia-smi before", "after", ""), map(spelled, rows)))
    wrong = [row for row in rows if row.verdict == "DIFFERS"]
    print(f"\n{len(rows)} readings, {len(wrong)} differ")
    return 1 if wrong else 0


def spelled(row: Compared) -> tuple[str, ...]:
    numbers = ("" if value is None else f"{value:g}" for value in (row.own, row.before, row.after))
    return (row.gpu[:12], row.state, row.field, *numbers, row.verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
