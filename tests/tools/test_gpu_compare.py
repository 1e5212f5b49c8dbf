"""The comparison with nvidia-smi on a real card."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nodescope.devices.source import Observed
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport
from nodescope.records.gpu_snapshot import GpuSource
from tools.gpu_compare import MIB, NO_GPU, Compared, compared, spelled


class Told:
    """A source with one GPU."""

    def __init__(self, reading: GpuReading) -> None:
        self.reading = reading

    def observe(self, timeout_s: float) -> Observed:
        gpu = GpuIdentity(vendor="nvidia", uuid="GPU-1")
        return Observed(1, (gpu,), (), (GpuReport(uuid="GPU-1", reading=self.reading),))

    def status(self) -> GpuSource:
        return GpuSource(vendor="nvidia", kind="told", state="ok")

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("field", "own", "before", "after", "verdict"),
    [
        ("power_limit_milliwatts", 700_000, 700_000, 700_000, "equal"),
        ("power_limit_milliwatts", 650_000, 700_000, 700_000, "DIFFERS"),
        ("memory_total_bytes", 141 * MIB + 5000, 141 * MIB, 141 * MIB, "equal"),
        ("temperature_celsius", 43, 40, 41, "equal"),
        ("temperature_celsius", 50, 40, 41, "DIFFERS"),
        ("ecc_mode", None, 1, 1, "ours is absent"),
        ("cc_mode", 0, None, None, "nvidia-smi has none"),
    ],
)
def test_verdicts(field: str, own: float | None, before: float | None, after: float | None, verdict: str) -> None:
    """What stands still must be equal but for rounding; what moves may have moved for a second."""
    assert Compared("GPU-1", "idle", field, own, before, after).verdict == verdict


def test_every_reading_that_either_has() -> None:
    """A reading that only one of them has is a row too; one that neither has is none."""
    own = Told(GpuReading(temperature_celsius=40, fan_speed_percent=30))
    rival = Told(GpuReading(temperature_celsius=41, power_milliwatts=5000))
    rows = {row.field: row.verdict for row in compared(own, (rival, rival), "idle")}
    assert rows == {
        "temperature_celsius": "equal",
        "fan_speed_percent": "nvidia-smi has none",
        "power_milliwatts": "ours is absent",
    }
    assert spelled(Compared("GPU-1", "idle", "ecc_mode", 1, None, 0)) == (
        "GPU-1",
        "idle",
        "ecc_mode",
        "1",
        "",
        "0",
        "nvidia-smi has none",
    )


def test_without_a_gpu() -> None:
    """On a machine without a GPU it says so in one sentence, with an exit status of its own."""
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a GPU here: run make test-gpu")
    ended = subprocess.run(
        [sys.executable, "-m", "tools.gpu_compare"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (NO_GPU, "")
    assert ended.stderr.startswith("no NVIDIA GPU can be read here: ")
