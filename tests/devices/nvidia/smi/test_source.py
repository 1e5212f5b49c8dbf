"""The source with a program in nvidia-smi's place. Limits are short, so that hangs and rests are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.nvidia.smi.source import SmiLimits, SmiSource
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from tests.devices.nvidia.smi.fake_nvidia_smi import (
    FakeNvidiaSmi,
    empty_host,
    gpu_xml,
    log_text,
    log_xml,
    mig_xml,
    uuid_of,
)

WAIT_S = 20.0
LIMITS = SmiLimits(least_interval_s=0.05, run_s=5.0, listing_s=60.0, longest_rest_s=0.2)
SHORT = LIMITS._replace(run_s=0.5)


@pytest.fixture
def smi(tmp_path: Path) -> FakeNvidiaSmi:
    return FakeNvidiaSmi(tmp_path / "bin")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return empty_host(tmp_path)


@pytest.fixture
def source(smi: FakeNvidiaSmi, host: Host) -> Iterator[SmiSource]:
    made = SmiSource(host, str(smi.path), 0.0, LIMITS)
    yield made
    made.close()


@pytest.fixture
def hasty(smi: FakeNvidiaSmi, host: Host) -> Iterator[SmiSource]:
    """A source that gives a run half a second."""
    made = SmiSource(host, str(smi.path), 0.0, SHORT)
    yield made
    made.close()


def states(observed: Observed) -> dict[str, str]:
    return {report.uuid: report.state for report in observed.reports}


def until(source: SmiSource, state: str) -> Observed:
    """What is observed once the source is in this state."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        observed = source.observe(WAIT_S)
        if source.status().state == state:
            return observed
    raise AssertionError(f"not {state}: {source.status()}")


def test_readings(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """Identities and readings are those of the XML, with the time of the run; the status says so."""
    before = time.monotonic()
    smi.answer("-q -x", log_xml(gpu_xml(0), gpu_xml(1)))
    assert source.status().state == "starting"
    observed = source.observe(WAIT_S)
    assert [gpu.uuid for gpu in observed.gpus] == [uuid_of(0), uuid_of(1)]
    assert [report.reading.utilization_percent for report in observed.reports] == [0.0, 1.0]
    assert before < observed.reports[0].sampled_monotonic_seconds < time.monotonic()
    status = source.status()
    assert (status.vendor, status.kind, status.state, status.gpus) == ("nvidia", "nvidia-smi", "ok", 2)
    assert (status.driver_version, status.cuda_version, status.generation) == ("570.1", "12.8", observed.generation)
    assert set(smi.runs()) == {"-q -x"}


def test_the_pace(smi: FakeNvidiaSmi, host: Host) -> None:
    """Within an interval the program runs once; who asks again waits as long as they said and gets the same."""
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    source = SmiSource(host, str(smi.path), 3600.0)
    first = source.observe(WAIT_S)
    assert source.observe(0.1) is first
    assert source.observe(0.0) is first
    assert smi.runs() == ["-q -x"]
    source.close()


def test_a_program_that_takes_its_time(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """Who waits for less than a run takes gets nothing at first, no error, and the readings later."""
    smi.answer("-q -x", log_xml(gpu_xml(0)), sleep_s=0.4)
    assert source.observe(0.0) == Observed(0, (), (), ())
    assert source.status().state == "starting"
    assert len(source.observe(WAIT_S).gpus) == 1


def test_found_on_the_path(smi: FakeNvidiaSmi, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path of its own the program is that of PATH."""
    monkeypatch.setenv("PATH", f"{smi.path.parent}{os.pathsep}{os.environ['PATH']}")
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    source = SmiSource(host, limits=LIMITS)
    assert len(source.observe(WAIT_S).gpus) == 1
    source.close()


def test_text_where_there_is_no_xml(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """A program that refuses -x, or whose XML is cut, is read as text."""
    smi.answer("-q", log_text(0, 1))
    observed = source.observe(WAIT_S)
    assert [report.reading.temperature_celsius for report in observed.reports] == [41.0, 41.0]
    smi.answer("-q -x", log_xml(gpu_xml(0))[:300])
    assert len(until(source, "ok").gpus) == 2
    assert {"-q -x", "-q"} == set(smi.runs())


def test_an_exit_status_beside_readings(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """Readings count though the status is that of a corrupted infoROM, which is said below them."""
    warning = "WARNING: infoROM is corrupted at gpu 0000:01:00.0\n"
    smi.answer("-q -x", log_xml(gpu_xml(0)) + warning, status=14)
    assert states(source.observe(WAIT_S)) == {uuid_of(0): "ok"}


def test_a_hang(smi: FakeNvidiaSmi, hasty: SmiSource, tmp_path: Path) -> None:
    """A run that hangs is killed with all that it started; the last readings stay with their time, their GPUs do not
    answer, and all is well again afterwards."""
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    last = hasty.observe(WAIT_S).reports[0]
    # Of no other test run on this machine.
    sleep_s = 3600 + os.getpid() / 10_000_000
    smi.answer("-q -x", log_xml(gpu_xml(0)), sleep_s=sleep_s)
    observed = until(hasty, "failed")
    (report,) = observed.reports
    assert report.state == "unresponsive"
    assert "has not ended within 0.5 s" in report.reason
    assert report.reading == last.reading
    assert report.sampled_monotonic_seconds <= time.monotonic() - SHORT.run_s
    assert hasty.status().hung_calls >= 1
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    assert states(until(hasty, "ok")) == {uuid_of(0): "ok"}
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if _runs(pid, str(sleep_s).encode())]


def test_a_hang_from_the_start(smi: FakeNvidiaSmi, hasty: SmiSource) -> None:
    """Where nothing was ever read a hang is a failure, for whoever waits long enough."""
    smi.answer("-q -x", sleep_s=3600)
    assert hasty.observe(0.0) == Observed(0, (), (), ())
    with pytest.raises(SourceFailed, match="has not ended within"):
        hasty.observe(WAIT_S)


def test_failures_double_the_rest(smi: FakeNvidiaSmi, host: Host) -> None:
    """After a failure the next run waits longer than an interval."""
    smi.all_answers("Failed to initialize NVML: Unknown Error", 255)
    source = SmiSource(host, str(smi.path), 0.0, LIMITS._replace(least_interval_s=1.0, longest_rest_s=3600.0))
    for timeout_s in (WAIT_S, 0.0):
        with pytest.raises(SourceFailed):
            source.observe(timeout_s)
    with pytest.raises(SourceFailed):
        source.observe(1.3)
    assert smi.runs() == ["-q -x"]
    source.close()


def test_too_much_output(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """More output than there may be ends the run, and is a failure."""
    smi.answer("-q -x", b"<nvidia_smi_log>" + b" " * (17 * 1024 * 1024))
    with pytest.raises(SourceFailed, match="wrote more than 16777216 bytes"):
        source.observe(WAIT_S)


def test_the_driver_goes_and_comes(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """Without a driver there are no GPUs; with it again they are there, and other GPUs are another generation."""
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    first = source.observe(WAIT_S)
    smi.all_answers("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9)
    with pytest.raises(Absent):  # noqa: PT012
        while True:
            source.observe(WAIT_S)
    assert source.status().gpus == 0
    smi.answer("-q -x", log_xml(gpu_xml(0), gpu_xml(1)))
    deadline = time.monotonic() + WAIT_S
    while source.status().state != "ok" and time.monotonic() < deadline:
        try:
            source.observe(1.0)
        except Absent:
            continue
    again = source.observe(WAIT_S)
    assert len(again.gpus) == 2
    assert again.generation > first.generation


def test_mig_devices(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """-L is run for MIG devices, once while they stay the same, and what it cannot tell has an id of its own."""
    devices = f"<mig_devices>{mig_xml(0, 1, 0)}{mig_xml(1, 2, 0)}</mig_devices>"
    smi.answer("-q -x", log_xml(gpu_xml(0, devices)))
    smi.answer("-L", f"GPU 0: X (UUID: {uuid_of(0)})\n  MIG 3g.20gb     Device  0: (UUID: MIG-real)\n")
    for _ in range(3):
        observed = source.observe(WAIT_S)
    assert [(one.uuid, one.profile) for one in observed.instances] == [
        ("MIG-real", "3g.20gb"),
        (f"MIG-{uuid_of(0)}/2/0", None),
    ]
    assert [one.uuid for one in observed.reports[0].instances] == [one.uuid for one in observed.instances]
    assert smi.runs().count("-L") == 1
    smi.answer("-q -x", log_xml(gpu_xml(0, f"<mig_devices>{mig_xml(0, 1, 0)}</mig_devices>")))
    while len(source.observe(WAIT_S).instances) == 2:
        pass
    assert smi.runs().count("-L") == 2
    assert source.observe(WAIT_S).generation == observed.generation + 1


def test_mig_devices_keep_their_names(smi: FakeNvidiaSmi, host: Host) -> None:
    """Where -L fails MIG devices are called as before, and it is run again sooner."""
    source = SmiSource(host, str(smi.path), 0.0, LIMITS._replace(listing_s=0.0))
    smi.answer("-q -x", log_xml(gpu_xml(0, f"<mig_devices>{mig_xml(0, 1, 0)}</mig_devices>")))
    smi.answer("-L", "Failed to initialize NVML: Unknown Error", status=255)
    assert source.observe(WAIT_S).instances[0].uuid == f"MIG-{uuid_of(0)}/1/0"
    smi.answer("-L", f"GPU 0: X (UUID: {uuid_of(0)})\n  MIG 3g.20gb     Device  0: (UUID: MIG-real)\n")
    while source.observe(WAIT_S).instances[0].uuid != "MIG-real":
        pass
    smi.answer("-L", "Failed to initialize NVML: Unknown Error", status=255)
    before = smi.runs().count("-L")
    while smi.runs().count("-L") < before + 3:
        assert source.observe(WAIT_S).instances[0].uuid == "MIG-real"
    source.close()


def test_close(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """After it, which may come twice, no program is run, and whoever asks is told."""
    smi.answer("-q -x", log_xml(gpu_xml(0)))
    source.observe(WAIT_S)
    source.close()
    source.close()
    runs = smi.runs()
    with pytest.raises(SourceFailed, match="given the driver up"):
        source.observe(0.3)
    assert smi.runs() == runs


def _runs(process: Path, argument: bytes) -> bool:
    try:
        return argument in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
