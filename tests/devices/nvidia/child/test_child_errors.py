"""The GPU child where the driver answers with errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.nvidia.frame import Failure, Hello
from tests.devices.nvidia.child.conftest import Start
from tests.devices.nvidia.child.running import Running
from tests.fake_nvml import Script, calls


def test_a_gpu_that_is_lost(script: Script, start: Start, counted: Path) -> None:
    """A GPU that falls off its bus is told as lost, is asked seldom, costs the other nothing, and may come back."""
    child = start()
    child.sample()
    script.error("*", 15, gpu=0)
    script.write()
    lost = child.report(0, lambda report: report.state == "lost")
    assert "15" in lost.reason
    assert lost.reading.temperature_celsius is None
    made = calls(counted, "nvmlDeviceGetTemperatureV", gpu=0)
    for _ in range(5):
        sample = child.sample()
        assert [report.state for report in sample.reports] == ["lost", "ok"]
    assert calls(counted, "nvmlDeviceGetTemperatureV", gpu=0) == made
    script.no_error("*", gpu=0)
    script.write()
    assert child.report(0, lambda report: report.state == "ok").reading.temperature_celsius == 40


def test_a_gpu_that_needs_a_reset(script: Script, start: Start) -> None:
    """RESET_REQUIRED is a state of its own; what still answers is read."""
    script.error("nvmlDeviceGetPowerUsage", 16, gpu=0)
    script.write()
    report = start().report(0)
    assert report.state == "reset_required"
    assert "nvmlDeviceGetPowerUsage" in report.reason
    assert report.reading.power_milliwatts is None
    assert report.reading.temperature_celsius == 40


@pytest.mark.parametrize("code", [4, 17])
def test_a_value_that_is_denied(script: Script, start: Start, code: int) -> None:
    """One value without permission is absent, and the GPU is well."""
    script.error("nvmlDeviceGetPowerUsage", code, gpu=0)
    script.write()
    report = start().report(0)
    assert (report.state, report.left_out) == ("ok", 0)
    assert report.reading.power_milliwatts is None


def test_a_gpu_whose_values_are_all_denied(script: Script, start: Start) -> None:
    """Where every value is refused for want of permission the GPU is denied."""
    script.error("*", 4, gpu=0, after=200)
    script.write()
    report = start().report(0, lambda report: report.state != "ok")
    assert report.state == "denied"
    assert "root" in report.reason


def test_a_gpu_that_fails_altogether(script: Script, start: Start, counted: Path) -> None:
    """Where every call says UNKNOWN the library is initialised once more, and the GPU is told as failed."""
    child = start()
    child.sample()
    script.error("*", 999, gpu=0)
    script.write()
    report = child.report(0, lambda report: report.state == "failed")
    assert "999" in report.reason
    assert "container" in report.reason
    child.report(0, lambda report: report.state in ("failed", "lost") and calls(counted, "nvmlShutdown") == 1)
    for _ in range(4):
        assert child.sample().reports[1].state == "ok"
    assert calls(counted, "nvmlShutdown") == 1


@pytest.mark.parametrize("code", [19, 21, 27, 29])
def test_a_value_that_is_not_there_now(script: Script, start: Start, code: int, counted: Path) -> None:
    """What fails for the moment is left out, is no failure, and is asked for again."""
    script.error("nvmlDeviceGetPowerUsage", code, gpu=0)
    script.write()
    child = start()
    report = child.report(0)
    assert (report.state, report.left_out, report.reading.power_milliwatts) == ("ok", 0, None)
    script.no_error("nvmlDeviceGetPowerUsage", gpu=0)
    script.write()
    assert child.report(0, lambda report: report.reading.power_milliwatts is not None).state == "ok"
    assert calls(counted, "nvmlDeviceGetPowerUsage", gpu=0) > 1


@pytest.mark.parametrize("code", [3, 13])
def test_what_a_gpu_has_not_is_asked_for_once(script: Script, start: Start, code: int, counted: Path) -> None:
    """A refusal is remembered for its GPU; the other one is asked in each cycle."""
    script.error("nvmlDeviceGetPowerUsage", code, gpu=0)
    script.write()
    child = start()
    for _ in range(4):
        child.sample()
    assert calls(counted, "nvmlDeviceGetPowerUsage", gpu=0) == 1
    assert calls(counted, "nvmlDeviceGetPowerUsage", gpu=1) >= 4


def test_a_value_that_fails_otherwise_is_counted(script: Script, start: Start) -> None:
    """An error that has no meaning of its own is counted as left out, each cycle."""
    script.error("nvmlDeviceGetPowerUsage", 999, gpu=0)
    script.error("nvmlDeviceGetPerformanceState", 23, gpu=0)
    script.write()
    child = start()
    for _ in range(2):
        report = child.report(0)
        assert (report.state, report.left_out) == ("ok", 2)
        assert report.reading.temperature_celsius == 40


def test_a_field_that_fails_costs_no_other(script: Script, start: Start) -> None:
    """A field value has a return code of its own: the other fields of the call are read."""
    script.field(83, "error 999", gpu=0)
    script.field(94, "error 3", gpu=0)
    script.write()
    child = start()
    for _ in range(2):
        report = child.report(0)
        assert (report.reading.energy_millijoules, report.reading.pcie_replays) == (None, None)
        assert report.reading.memory_temperature_celsius == 48
        assert report.left_out == 1


@pytest.mark.parametrize("value_type", [1, 2, 4, 5])
def test_the_memorys_temperature_is_read_whatever_its_type(script: Script, start: Start, value_type: int) -> None:
    """A driver that calls the memory's temperature another kind of number gives the right one all the same."""
    script.set("fieldtype 82", value_type, gpu=0)
    script.field(82, 48, gpu=0)
    script.write()
    reading = start().report(0).reading
    assert reading.memory_temperature_celsius == 48


def test_older_structures_are_tried(script: Script, start: Start) -> None:
    """A driver that knows only older versions of a structure is asked with those."""
    script.set("newest nvmlDeviceGetGpuFabricInfoV", 2, gpu=0)
    script.write()
    child = start()
    child.sample()
    report = child.report(0)
    assert (report.reading.fabric_state, report.left_out) == (3, 0)


def test_a_driver_of_years_ago(script: Script, start: Start) -> None:
    """A driver without the newer calls and fields gives what it has through the older ones."""
    script.set("driver", "535.43.02")
    script.set("field.newest", 196, gpu="*")
    script.write()
    child = start(driver="535.43.02")
    child.sample()
    report = child.report(0)
    assert (report.state, report.left_out) == ("ok", 0)
    assert report.reading.temperature_celsius == 40
    assert report.reading.throttle_reasons == 0
    assert report.reading.memory_reserved_bytes == 643825664
    assert (report.reading.pcie_tx_bytes, report.reading.recovery_action) == (None, None)
    assert report.reading.fabric_state == 3


@pytest.mark.parametrize("code", [9, 18])
def test_a_driver_that_was_replaced_ends_the_process(script: Script, start: Start, code: int) -> None:
    """Where the driver has gone under it the child says which call said so, and ends."""
    child = start()
    child.sample()
    script.error("nvmlDeviceGetTemperatureV", code, gpu=0)
    script.write()
    failure = child.failure()
    assert (failure.code, failure.call, failure.no_library) == (code, "nvmlDeviceGetTemperatureV", False)


@pytest.mark.parametrize("code", [4, 9, 18, 999])
def test_a_library_that_does_not_initialise(script: Script, start: Start, code: int) -> None:
    """The child says why, without a hello, and ends."""
    script.error("nvmlInit_v2", code)
    script.write()
    child = start()
    failure = child.failure()
    assert (failure.code, failure.call, failure.no_library) == (code, "nvmlInit_v2", False)
    assert not any(isinstance(frame, Hello) for frame in child.frames)


def test_a_library_that_is_not_there(start: Start) -> None:
    """Without the driver's library the child says so, for then there is no use in trying again soon."""
    failure = start(library="/nowhere/libnvidia-ml.so.1").failure()
    assert (failure.code, failure.no_library) == (12, True)
    assert "/nowhere/libnvidia-ml.so.1" in failure.text


def test_a_library_that_is_none(tmp_path: Path, start: Start) -> None:
    """A file that is no library is another failure than one that is missing."""
    (tmp_path / "empty.so").write_bytes(b"")
    failure = start(library=str(tmp_path / "empty.so")).failure()
    assert (failure.code, failure.no_library) == (12, False)


@pytest.mark.parametrize("options", ["", "{}x", '{"interval_seconds": -1}', '{"unknown": 1}'])
def test_bad_options_end_it(options: str) -> None:
    """What is no object of options is told in the failure."""
    child = Running(options, {})
    failure = child.failure()
    child.end()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.call) == (-1, "options")
