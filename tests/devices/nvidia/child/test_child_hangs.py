"""The GPU child where a call does not return."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script, called, calls

UUIDS = [f"GPU-5c1f0e50-7a2b-4d11-9f00-00000000000{number}" for number in range(2)]


def test_a_hang_costs_only_its_gpu(script: Script, start: Start) -> None:
    """While one GPU hangs the other's reports stay fresh; its own stays the last known and names the call."""
    child = start()
    before = child.report(0)
    script.hang("nvmlDeviceGetPowerUsage", gpu=0)
    script.write()
    stuck = child.report(0, lambda report: report.busy_seconds > 0.5)
    assert stuck.busy_call == "nvmlDeviceGetPowerUsage"
    assert (stuck.state, stuck.reading.temperature_celsius) == ("ok", before.reading.temperature_celsius)
    first, second = child.sample(), child.sample()
    for sample in (first, second):
        assert sample.reports[1].state == "ok"
        assert sample.reports[1].busy_call == ""
    assert first.reports[1].sampled_monotonic_seconds < second.reports[1].sampled_monotonic_seconds
    assert first.reports[0].sampled_monotonic_seconds == second.reports[0].sampled_monotonic_seconds
    assert second.reports[0].busy_seconds > first.reports[0].busy_seconds
    script.no_hang("nvmlDeviceGetPowerUsage", gpu=0)
    script.write()
    again = child.report(0, lambda report: report.busy_call == "")
    assert again.sampled_monotonic_seconds > stuck.sampled_monotonic_seconds


def test_a_gpu_that_hangs_from_the_first_is_told(script: Script, start: Start) -> None:
    """A GPU that hangs while it is opened is in the inventory with its UUID, and its report names the call."""
    script.hang("nvmlDeviceGetSerial", gpu=1)
    script.write()
    child = start()
    assert [gpu.uuid for gpu in child.inventory().gpus] == UUIDS
    report = child.report(1)
    assert (report.state, report.busy_call) == ("unresponsive", "nvmlDeviceGetSerial")
    assert report.sampled_monotonic_seconds == 0
    assert child.report(0).state == "ok"
    script.no_hang("nvmlDeviceGetSerial", gpu=1)
    script.write()
    assert child.inventory().gpus[1].serial == "1654225000001"
    assert child.report(1, lambda report: report.state == "ok").reading.temperature_celsius == 40


@pytest.mark.parametrize("call", ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"])
def test_a_gpu_whose_opening_hangs_is_told(script: Script, start: Start, call: str) -> None:
    """One that hangs before its UUID is known is told by its index: that it starts, then that it does not answer."""
    script.hang(call, gpu=1)
    script.write()
    child = start()
    for state in ("starting", "unresponsive"):
        (unopened,) = child.inventory().unopened
        assert (unopened.index, unopened.state, unopened.reason) == (1, state, f"{call} has not returned")
    assert child.report(0).state == "ok"
    script.no_hang(call, gpu=1)
    script.write()
    inventory = child.inventory()
    assert [gpu.uuid for gpu in inventory.gpus] == UUIDS
    assert inventory.unopened == ()


def test_calls_to_skip_are_not_made(script: Script, start: Start, counted: Path) -> None:
    """A call that hung before is left out for its GPU alone, and all that is left is read."""
    script.hang("nvmlDeviceGetPowerUsage", gpu=0)
    script.write()
    child = start(skip={UUIDS[0]: ["nvmlDeviceGetPowerUsage"]})
    sample = child.sample()
    assert [report.state for report in sample.reports] == ["ok", "ok"]
    assert [report.reading.power_milliwatts for report in sample.reports] == [None, 322200]
    assert calls(counted, "nvmlDeviceGetPowerUsage", gpu=0) == 0


def test_newer_versions_of_a_skipped_call_have_no_substitute(start: Start, counted: Path) -> None:
    """Where the best of several calls is left out, an older one that may hang as well is not made instead."""
    child = start(skip={UUIDS[0]: ["nvmlDeviceGetMemoryInfo_v2"]})
    assert child.report(0).reading.memory_used_bytes is None
    assert "nvmlDeviceGetMemoryInfo" not in called(counted)


def test_a_gpu_can_be_left_alone(script: Script, start: Start, counted: Path) -> None:
    """With "*" no call about the GPU is made but those that tell who it is; it is reported as unresponsive."""
    script.hang("nvmlDeviceGetTemperatureV", gpu=0)
    script.write()
    child = start(skip={UUIDS[0]: ["*"]})
    assert [gpu.uuid for gpu in child.inventory().gpus] == UUIDS
    child.sample()
    sample = child.sample()
    left_alone, other = sample.reports
    assert (left_alone.state, left_alone.sampled_monotonic_seconds) == ("unresponsive", 0)
    assert left_alone.reading.temperature_celsius is None
    assert left_alone.reason
    assert other.state == "ok"
    made = {name for name in called(counted) if calls(counted, name, gpu=0)}
    assert made <= {"nvmlDeviceGetUUID", "nvmlDeviceGetHandleByIndex_v2"}


def test_it_ends_with_its_input_while_calls_hang(script: Script, start: Start) -> None:
    """A call that hangs does not keep the process alive when its input ends."""
    script.hang("nvmlDeviceGetPowerUsage", gpu=0)
    script.write()
    child = start()
    child.report(0, lambda report: report.busy_call != "")
    assert child.close_input() == 0


def test_it_ends_with_its_input_while_the_library_hangs(script: Script, start: Start) -> None:
    """So it is where the library hangs as a whole, before there is any frame."""
    script.hang("nvmlInit_v2")
    script.write()
    child = start()
    assert child.close_input() == 0
    assert child.frames == []


def test_events_that_hang_cost_nothing(script: Script, start: Start) -> None:
    """Where waiting for events does not return samples go on."""
    script.hang("nvmlEventSetWait_v2")
    script.write()
    child = start()
    for _ in range(4):
        assert child.report(0).state == "ok"
