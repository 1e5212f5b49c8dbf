"""What a driver writes as 0 where it knows nothing: absent, never 0."""

from __future__ import annotations

import pytest

from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script

THRESHOLDS = {
    "temperature.shutdown": "temperature_shutdown_celsius",
    "temperature.slowdown": "temperature_slowdown_celsius",
    "temperature.memory_max": "memory_temperature_max_operating_celsius",
    "temperature.gpu_max": "temperature_max_operating_celsius",
}
LIMITS = {
    "power.limit": "power_limit_milliwatts",
    "power.enforced": "power_limit_enforced_milliwatts",
    "power.default": "power_limit_default_milliwatts",
    "power.min": "power_limit_min_milliwatts",
    "power.max": "power_limit_max_milliwatts",
}


@pytest.mark.parametrize(("key", "field"), [*THRESHOLDS.items(), *LIMITS.items()])
def test_limits_that_are_none(script: Script, start: Start, key: str, field: str) -> None:
    """A threshold of 0 degrees or a limit of 0 watts is none, by call and by field value; other GPUs have theirs."""
    script.set(key, 0, gpu=0)
    script.set("field 190", 0, gpu=0)
    script.write()
    child = start()
    assert getattr(child.report(0).reading, field) is None
    assert getattr(child.report(1).reading, field) > 0


def test_a_board_without_a_sensor_at_its_memory(script: Script, start: Start) -> None:
    """A memory of 0 degrees has no sensor."""
    script.set("temperature.memory", 0, gpu=0)
    script.write()
    reading = start().report(0).reading
    assert (reading.memory_temperature_celsius, reading.temperature_celsius) == (None, 40)


@pytest.mark.parametrize(("state", "status"), [(0, None), (1, None), (2, None), (3, 5)])
def test_a_fabric_that_is_not_joined(script: Script, start: Start, state: int, status: int | None) -> None:
    """How joining ended is known once it has; a mask of which no part is told is none."""
    script.set("fabric.state", state, gpu=0)
    script.set("fabric.status", 5, gpu=0)
    script.set("fabric.health", 0, gpu=0)
    script.write()
    reading = start().report(0).reading
    assert (reading.fabric_state, reading.fabric_status, reading.fabric_health_mask) == (state, status, None)


def test_memory_of_a_gpu_that_needs_a_reset(script: Script, start: Start) -> None:
    """It says that no memory is used, which it does not know; what else it says is kept."""
    script.error("nvmlDeviceGetTemperatureV", 16, gpu=0)
    script.set("memory.used", 0, gpu=0)
    script.set("memory.used", 0, gpu=1)
    script.write()
    child = start()
    report = child.report(0)
    assert (report.state, report.reading.memory_used_bytes, report.reading.memory_free_bytes) == (
        "reset_required",
        None,
        None,
    )
    assert report.reading.memory_total_bytes
    assert child.report(1).reading.memory_used_bytes == 0


@pytest.mark.parametrize(
    ("supported", "feature", "state", "status"), [(0, 1, 0, None), (1, 1, 0, 0), (1, 1, 1, 1), (1, 4, 1, None)]
)
def test_licences(script: Script, start: Start, supported: int, feature: int, state: int, status: int | None) -> None:
    """A GPU that takes no licence for vGPU is neither licensed nor unlicensed."""
    script.set("license.supported", supported, gpu=0)
    script.set("license.feature", feature, gpu=0)
    script.set("license.state", state, gpu=0)
    script.write()
    assert start().report(0).reading.vgpu_license_status == status


@pytest.mark.parametrize(("address", "told"), [("00000000:00:00.0", None), ("00000000:07:00.0", "0000:07:00.0")])
def test_the_other_end_of_a_link(script: Script, start: Start, address: str, told: str | None) -> None:
    """An address of noughts is none."""
    script.set("nvlink.remote.pci:3", address, gpu=0)
    script.write()
    link = start().report(0).links[3]
    assert (link.link, link.remote_pci_address) == (3, told)


@pytest.mark.parametrize(
    ("compute", "graphics", "told"),
    [(0, 0, True), (0, 3, True), (3, 3, False), (4, 4, False), (999, 0, False), (0, 27, False)],
)
def test_processes_that_are_not_told(script: Script, start: Start, compute: int, graphics: int, told: bool) -> None:
    """Without a list of processes, or with one that failed, none is not said; a GPU may have only one of the two."""
    for kind, code in (("Compute", compute), ("Graphics", graphics)):
        if code:
            script.error(f"nvmlDeviceGet{kind}RunningProcesses_v3", code, gpu=0)
    script.write()
    child = start()
    for _ in range(2):
        reports = child.sample().reports
        assert [report.processes_told for report in reports] == [told, True]


@pytest.mark.parametrize(("code", "told"), [(0, True), (3, False), (27, False)])
def test_processes_of_instances(script: Script, start: Start, code: int, told: bool) -> None:
    """Where only the instances may be asked, each of them has to answer."""
    script.mig(0, {0: (1, 0, "3g.71gb"), 1: (2, 0, "3g.71gb")})
    for kind in ("Compute", "Graphics"):
        script.error(f"nvmlDeviceGet{kind}RunningProcesses_v3", 4, gpu=0)
        for slot in (0, 1):
            script.error(f"nvmlDeviceGet{kind}RunningProcesses_v3", code, gpu=0, instance=slot)
    script.write()
    child = start()
    for _ in range(2):
        assert child.sample().reports[0].processes_told is told


def test_processes_that_are_not_asked_for(start: Start) -> None:
    """A child that is to leave processes out tells of none."""
    assert start(processes=False).report(0).processes_told is False
