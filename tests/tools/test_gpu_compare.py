"""The comparison with nvidia-smi on a real card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodescope.devices.source import Observed
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport
from nodescope.records.gpu_snapshot import GpuSource
from tests.devices.nvidia.smi.fake_nvidia_smi import FakeNvidiaSmi, gpu_xml, log_xml
from tests.fake_nvml import SCRIPT, Script, beside, build
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


UUID = "GPU-5c1f0e50-7a2b-4d11-9f00-000000000000"
POWER_535 = """<gpu_power_readings><power_state>P0</power_state><power_draw>77.00 W</power_draw>
    <current_power_limit>700.00 W</current_power_limit><requested_power_limit>700.00 W</requested_power_limit>
    <default_power_limit>700.00 W</default_power_limit><min_power_limit>200.00 W</min_power_limit>
    <max_power_limit>700.00 W</max_power_limit></gpu_power_readings>"""
POWER_580 = POWER_535.replace(
    "<power_draw>77.00 W</power_draw>",
    "<average_power_draw>77.00 W</average_power_draw><instant_power_draw>77.00 W</instant_power_draw>",
)
BODY = """<persistence_mode>Enabled</persistence_mode><mig_mode><current_mig>{mig}</current_mig></mig_mode>
    <fan_speed>N/A</fan_speed><gpu_recovery_action>{recovery}</gpu_recovery_action>
    <clocks><sm_clock>345 MHz</sm_clock></clocks><max_clocks><sm_clock>1980 MHz</sm_clock></max_clocks>
    <applications_clocks><graphics_clock>Requested functionality has been deprecated</graphics_clock>
    </applications_clocks><ecc_mode><current_ecc>Enabled</current_ecc></ecc_mode>"""


def compare(tmp_path: Path, driver: str, body: str, *others: str) -> subprocess.CompletedProcess[str]:
    """The whole tool on a card of the fake library and what a program says in nvidia-smi's place."""
    library = beside(build(tmp_path / "built"), tmp_path / "driver")
    script = Script(library.parent / SCRIPT, count=1)
    script.set("driver", driver)
    script.set("load", 0)
    script.write()
    smi = FakeNvidiaSmi(tmp_path / "bin")
    head, tail = log_xml(gpu_xml(0, body, "28 C", UUID), *others).split("1000 MiB", 1)
    memory = tail.replace("10 MiB", "0 MiB", 1).replace("990 MiB", "N/A", 1)
    smi.answer("-q -x", f"{head}N/A{memory}")
    settings = {"NVML_LIBRARY": str(library), "NVIDIA_SMI": str(smi.path)}
    return subprocess.run(
        [sys.executable, "-m", "tools.gpu_compare", "--settle=1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **{f"NODESCOPE_COLLECTOR_GPU_{name}": value for name, value in settings.items()}},
    )


@pytest.mark.parametrize(
    ("driver", "power", "recovery"), [("535.183.01", POWER_535, "N/A"), ("580.95.05", POWER_580, "None")]
)
def test_the_whole_tool(tmp_path: Path, driver: str, power: str, recovery: str) -> None:
    """With the shapes of an older and a newer driver, values that are not there, and no CUDA to make load with."""
    ended = compare(tmp_path, driver, power + BODY.format(mig="Disabled", recovery=recovery))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "there is no load" in ended.stderr
    rows = {line.split("|")[3].strip(): line for line in ended.stdout.splitlines() if line.startswith("| GPU-")}
    for field in ("power_milliwatts", "power_limit_max_milliwatts", "clock_max_sm_megahertz", "ecc_mode", "mig_mode"):
        assert "equal" in rows[field], rows[field]
    assert ("recovery_action" in rows) is (driver > "570")
    assert "nvidia-smi has none" in rows["clock_application_graphics_megahertz"]
    assert " 0 differ" in ended.stdout


def test_a_difference_and_a_gpu_that_only_nvidia_smi_has(tmp_path: Path) -> None:
    """A limit that differs is found; a GPU that we do not read is in the table, as absent."""
    body = POWER_580.replace("700.00 W</max", "650.00 W</max") + BODY.format(mig="Disabled", recovery="None")
    ended = compare(tmp_path, "580.95.05", body, gpu_xml(1))
    assert ended.returncode == 1, ended.stderr
    different = [line for line in ended.stdout.splitlines() if line.rstrip(" |").endswith("DIFFERS")]
    assert [line.split("|")[3].strip() for line in different] == ["power_limit_max_milliwatts"]
    assert any("GPU-00000001" in line and "ours is absent" in line for line in ended.stdout.splitlines())
