"""The source with a program in amd-smi's place. Limits are short, so that hangs and rests are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodescope.devices.amd.amd_smi import amd_smi_source
from nodescope.devices.amd.tool_source import ToolLimits, ToolSource
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from tests.devices.amd.fake_amd_smi import FakeTool, address_of, listed, metric, node, processes, static, uuid_of

WAIT_S = 30.0
LIMITS = ToolLimits(least_interval_s=0.05, run_s=5.0, round_s=20.0, inventory_s=600.0, longest_rest_s=0.2)
SHORT = LIMITS._replace(run_s=0.5)
METRIC = "metric --json"


@pytest.fixture
def smi(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path / "bin")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for name in ("proc", "sys"):
        (tmp_path / name).mkdir()
    return Host(procfs=str(tmp_path / "proc"), sysfs=str(tmp_path / "sys"))


@pytest.fixture
def opened(smi: FakeTool, host: Host) -> Iterator[Callable[..., ToolSource]]:
    """opened(limits): a source, closed after the test."""
    made: list[ToolSource] = []

    def make(limits: ToolLimits = LIMITS, **more: Any) -> ToolSource:
        made.append(amd_smi_source(host, str(smi.path), interval_s=0.0, limits=limits, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def states(observed: Observed) -> dict[str, str]:
    return {report.uuid: report.state for report in observed.reports}


def until(source: ToolSource, done: Callable[[Observed], bool]) -> Observed:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            observed = source.observe(WAIT_S)
        except SourceFailed:
            continue
        if done(observed):
            return observed
    raise AssertionError(f"never: {source.status()}")


def test_readings(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """Identities, readings and processes of all commands together, with the time of the metrics; the status says so."""
    node(smi, 0, 1)
    source = opened()
    before = time.monotonic()
    assert source.status().state == "starting"
    observed = source.observe(WAIT_S)
    assert [(gpu.uuid, gpu.pci_address, gpu.model) for gpu in observed.gpus] == [
        (uuid_of(number), address_of(number), f"AMD Instinct X{number}") for number in (0, 1)
    ]
    assert [report.reading.utilization_percent for report in observed.reports] == [10, 11]
    assert [report.reading.power_limit_milliwatts for report in observed.reports] == [750_000, 750_000]
    assert [[one.pid for one in report.processes] for report in observed.reports] == [[100], [101]]
    assert before < observed.reports[0].sampled_monotonic_seconds < time.monotonic()
    status = source.status()
    assert (status.vendor, status.kind, status.state, status.gpus) == ("amd", "amd-smi", "ok", 2)
    assert (status.driver_version, status.generation) == ("6.12.12", observed.generation)
    assert [one.gpu for one in source.statics()] == [0, 1]


def test_the_pace(smi: FakeTool, host: Host) -> None:
    """What hardly changes is asked once; within an interval there is one round, and who asks again gets the same."""
    node(smi, 0)
    source = amd_smi_source(host, str(smi.path), interval_s=3600.0)
    first = source.observe(WAIT_S)
    assert source.observe(0.2) is first
    source.close()
    assert smi.runs() == ["list --json", "static --json", "topology --json", METRIC, "process --json"]


def test_what_hardly_changes(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """It is asked again when the numbers of the GPUs change."""
    node(smi, 0)
    source = opened()
    assert len(source.observe(WAIT_S).gpus) == 1
    node(smi, 0, 1)
    observed = until(source, lambda observed: len(observed.gpus) == 2)
    assert [gpu.uuid for gpu in observed.gpus] == [uuid_of(0), uuid_of(1)]
    assert smi.runs().count("static --json") == 2


def test_partition_change(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """A GPU that is divided stays one GPU, in another generation, with its partitions."""
    node(smi, 0)
    source = opened()
    before = source.observe(WAIT_S)
    smi.answer("list --json", [listed(part, 0, part) for part in range(2)])
    smi.answer("static --json", [static(part, 0) for part in range(2)])
    smi.answer(METRIC, [metric(0), {"gpu": 1, "usage": "N/A"}])
    after = until(source, lambda observed: len(observed.instances) == 2)
    assert [gpu.uuid for gpu in after.gpus] == [gpu.uuid for gpu in before.gpus] == [uuid_of(0)]
    assert after.generation > before.generation
    assert states(after) == {uuid_of(0): "ok"}


def test_no_program(host: Host, tmp_path: Path) -> None:
    """Without the program there is nothing to read."""
    source = amd_smi_source(host, str(tmp_path / "nowhere"), limits=LIMITS)
    with pytest.raises(Absent, match="install AMD's amd-smi"):
        source.observe(WAIT_S)
    source.close()


def test_no_driver(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """Without a driver there is nothing to read, and GPUs that there were are forgotten."""
    node(smi, 0)
    source = opened()
    source.observe(WAIT_S)
    for command in ("list", "static", "metric", "process", "topology"):
        smi.answer(f"{command} --json", "driver not initialized (amdgpu not found in modules)", status=255)
    with pytest.raises(Absent, match="finds no AMD driver"):
        until(source, lambda observed: not observed.gpus)


def test_failure_and_recovery(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """When the tool fails the last readings stay with their time, their state says why; then they go on."""
    node(smi, 0)
    source = opened()
    first = source.observe(WAIT_S)
    smi.answer(METRIC, "garbage\n", status=1)
    failed = until(source, lambda observed: states(observed) == {uuid_of(0): "failed"})
    assert "amd-smi ended with status 1" in failed.reports[0].reason
    assert failed.reports[0].reading == first.reports[0].reading
    assert source.status().state == "failed"
    node(smi, 0)
    again = until(source, lambda observed: states(observed) == {uuid_of(0): "ok"})
    assert again.reports[0].sampled_monotonic_seconds > first.reports[0].sampled_monotonic_seconds


def test_hang(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """A tool that hangs is ended and counted, and its GPU is unresponsive meanwhile."""
    node(smi, 0)
    source = opened(SHORT)
    source.observe(WAIT_S)
    smi.answer(METRIC, sleep_s=60)
    until(source, lambda observed: states(observed) == {uuid_of(0): "unresponsive"})
    status = source.status()
    assert (status.state, status.hung_calls > 0) == ("failed", True)
    assert "metric --json has not ended within 0.5 s" in status.reason


def test_from_the_start_hanging(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """Where not even the first command returns there is a sentence."""
    smi.answer("default", sleep_s=60)
    with pytest.raises(SourceFailed, match=r"amd-smi list --json has not ended"):
        until_failed(opened(SHORT))


def until_failed(source: ToolSource) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        source.observe(WAIT_S)


def test_flood(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """A tool that writes without end is ended; what was known stays."""
    node(smi, 0)
    source = opened()
    source.observe(WAIT_S)
    smi.answer(METRIC, flood="x" * 4000)
    failed = until(source, lambda observed: states(observed) == {uuid_of(0): "failed"})
    assert "wrote more than" in failed.reports[0].reason


def test_one_card_that_hangs_the_tool(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """Where the whole hangs at one card, the others are asked for one by one and keep their readings."""
    node(smi, 0, 1, 2)
    source = opened(SHORT)
    source.observe(WAIT_S)
    smi.answer(METRIC, sleep_s=60)
    smi.answer("metric --gpu 0 --json", [metric(0, use=77)])
    smi.answer("metric --gpu 1 --json", sleep_s=60)
    smi.answer("metric --gpu 2 --json", [metric(2, use=78)])
    observed = until(source, lambda observed: states(observed).get(uuid_of(1)) == "failed")
    assert states(observed) == {uuid_of(0): "ok", uuid_of(1): "failed", uuid_of(2): "ok"}
    assert [report.reading.utilization_percent for report in observed.reports] == [77, None, 78]
    assert "metric --gpu 1 --json has not ended" in observed.reports[1].reason


def test_a_card_that_vanishes(smi: FakeTool, opened: Callable[..., ToolSource], tmp_path: Path) -> None:
    """A card that is no longer told of is lost while its PCI device is there, and forgotten afterwards."""
    device = tmp_path / "sys/bus/pci/devices" / address_of(1)
    device.mkdir(parents=True)
    node(smi, 0, 1)
    source = opened()
    source.observe(WAIT_S)
    node(smi, 0)
    observed = until(source, lambda observed: states(observed).get(uuid_of(1)) == "lost")
    assert states(observed)[uuid_of(0)] == "ok"
    assert "reset the GPU" in observed.reports[1].reason
    device.rmdir()
    assert until(source, lambda observed: len(observed.gpus) == 1).gpus[0].uuid == uuid_of(0)


def test_without_processes_and_static(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """Commands that a release does not have, or that fail, cost only what they would tell."""
    smi.answer("list --json", [listed(0)])
    smi.answer(METRIC, "WARNING: old firmware\n[\n" + '{"gpu": 0, "usage": {"gfx_activity": "3 %"}}\n]\n')
    observed = opened().observe(WAIT_S)
    assert [(gpu.uuid, gpu.model) for gpu in observed.gpus] == [(address_of(0), None)]
    assert observed.reports[0].reading.utilization_percent == 3
    assert observed.reports[0].processes == ()


def test_links_are_asked_for_where_there_are(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """With XGMI between GPUs, what went over it is asked for too."""
    node(smi, 0, 1)
    way = {"gpu": 1, "bdf": address_of(1), "link_status": "ENABLED", "link_type": "XGMI", "bandwidth": "50000-100000"}
    count = {"gpu": 1, "bdf": address_of(1), "read": {"value": 5, "unit": "KB"}, "write": {"value": 6, "unit": "KB"}}
    smi.answer("topology --json", [{"gpu": 0, "bdf": address_of(0), "links": [way]}])
    smi.answer("xgmi --metric --json", {"xgmi_metric": [[{"gpu": 0, "link_metrics": {"links": [count]}}]]})
    (link,) = opened().observe(WAIT_S).reports[0].links
    assert (link.active, link.speed_megabytes_per_second, link.rx_kibibytes, link.tx_kibibytes) == (1, 100_000, 5, 6)


def test_closed(smi: FakeTool, opened: Callable[..., ToolSource]) -> None:
    """After close nothing is run any more, and who asks is told."""
    node(smi, 0)
    smi.answer("process --json", [processes(0)])
    source = opened()
    source.observe(WAIT_S)
    source.close()
    source.close()
    runs = len(smi.runs())
    with pytest.raises(SourceFailed, match="given the driver up"):
        source.observe(0.2)
    assert len(smi.runs()) == runs
