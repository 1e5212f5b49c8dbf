"""Collector gpu: OpenTelemetry's names."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest

from nodescope import collectors
from nodescope.collectors.gpu.gpu import GpuCollector
from nodescope.configuration import load
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import Gpu, GpuSource
from nodescope.sampling import SamplerLoop
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import DEADLINE_S, LOST, SNAPSHOT, Told, gpu, loop_of, shown

UNITS = (
    "bytes", "bytes_per_second", "celsius", "hertz", "joules", "ratio", "seconds", "watts",
)  # fmt: skip


def test_the_whole_of_a_snapshot() -> None:
    """Every kind of record is shown under its names: whole and divided GPUs, a lost one, links, processes, verdicts."""
    assert shown(lambda loop: GpuCollector(loop, 1), *SNAPSHOT) == golden("gpu")


def test_every_family_is_in_the_catalogue() -> None:
    """The collector names the metrics that it may give, each once, and gives no other."""
    with loop_of(*SNAPSHOT) as loop:
        given = {family.metric for family in GpuCollector(loop, 5).collect()}
    assert given <= set(GpuCollector.metrics)
    assert len({metric.name for metric in GpuCollector.metrics}) == len(GpuCollector.metrics)


def test_names_are_those_of_prometheus() -> None:
    """Counters end in _total, and what has a unit ends in it; no other unit is used."""
    for metric in GpuCollector.metrics:
        assert metric.name.startswith(("hw_", "nodescope_gpu_"))
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert not re.search(r"(percent|milli|mega|kilo|kibi|_ns)", metric.name)
        words = metric.name.removesuffix("_total")
        if re.search("memory_(usage|limit|free|reserved)|power|energy|temperature|clock", words):
            assert words.endswith(UNITS), metric.name


@pytest.mark.parametrize("count", [0, 1, 2])
def test_single_processes_are_for_who_asks(count: int) -> None:
    """Series of single processes are as many as asked for, the greatest first; users have theirs always."""
    text = shown(lambda loop: GpuCollector(loop, count), *SNAPSHOT)
    assert re.findall(r'process_memory_usage_bytes\{.*pid="(\d+)"', text) == ["71", "72"][:count]
    assert 'hw_gpu_user_processes{gpu="0",hw_id="GPU-0",user="ada"} 2' in text


def test_a_lost_gpu_keeps_what_it_is() -> None:
    """Of a GPU that does not answer there are identity, state and up, and no reading."""
    text = shown(GpuCollector, LOST)
    names = set(re.findall(r"^(\w+)[{ ]", re.sub("#.*", "", text), re.MULTILINE))
    assert names == {
        "hw_gpu_info", "hw_status", "hw_gpu_window_samples", "hw_gpu_window_seconds", "nodescope_gpu_state",
        "nodescope_gpu_up",
    }  # fmt: skip


def test_every_field_of_a_reading_is_shown() -> None:
    """No number that is read of a GPU is left out, but rates of what is a counter here and fields only DCGM has."""
    without = {
        "driver_fields",
        "nvlink_megabytes_per_second",
        "pcie_rx_kilobytes_per_second",
        "pcie_tx_kilobytes_per_second",
        "profiling",
        "throttle_reasons",
    }
    for field in set(GpuReading.__struct_fields__) - without:
        reading = msgspec.structs.replace(GpuReading(), **{field: 77})
        assert shown(GpuCollector, gpu(0, reading)) != shown(GpuCollector, gpu()), field


def test_a_source_that_failed() -> None:
    """Where the source is down there is no GPU, and the source says its state."""
    text = shown(GpuCollector, GpuSource(vendor="nvidia", kind="nvml", state="paused", reason="by hand"))
    assert 'state="paused",vendor="nvidia"} 1' in text
    assert "hw_gpu" not in text


def test_no_driver() -> None:
    """Where the sampler finds no driver the collector is absent."""

    class Nothing(Told):
        def sample(self) -> tuple[Gpu, ...]:
            raise Absent("/proc/driver/nvidia/version")

    loop = SamplerLoop(Nothing())
    try:
        assert loop.first(time.monotonic() + DEADLINE_S)
        with pytest.raises(Absent):
            GpuCollector(loop).collect()
    finally:
        loop.stop()


@pytest.mark.parametrize("name", ["gpu", "gpu_dcgm", "gpu_worker", "gpu_epic"])
def test_built_from_settings(name: str, tmp_path: Path) -> None:
    """The table builds each collector with its settings and touches no GPU."""
    settings = load({"collector.gpu.processes": "3"}, {})
    collector = collectors.build(name, Host(str(tmp_path), str(tmp_path), str(tmp_path)), settings)
    assert (collector.name, collector.left_out) == (name, 0)
