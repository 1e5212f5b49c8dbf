"""Collector gpu: OpenTelemetry's names."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodescope import collectors
from nodescope.collectors.gpu.gpu import GpuCollector
from nodescope.configuration import load
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import Gpu, GpuSource
from nodescope.sampling import SamplerLoop
from tests.collectors.gpu import amd_snapshot
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
    """No number that is read of a GPU is left out, but rates of what is a counter here, fields only DCGM has, and the
    edge's temperature, which is the GPU's."""
    without = {
        "driver_fields",
        "edge_temperature_celsius",
        "nvlink_megabytes_per_second",
        "nvlink_rx_megabytes_per_second",
        "nvlink_tx_megabytes_per_second",
        "peer_nvlink_status",
        "pcie_rx_kilobytes_per_second",
        "pcie_tx_kilobytes_per_second",
        "profiling",
        "throttle_reasons",
    }
    for field in set(GpuReading.__struct_fields__) - without:
        value: Any = {"video": 77} if isinstance(getattr(GpuReading(), field), dict) else 77
        reading = msgspec.structs.replace(GpuReading(), **{field: value})
        assert shown(GpuCollector, gpu(0, reading)) != shown(GpuCollector, gpu()), field


def test_gpus_that_reach_each_other() -> None:
    """A pair has a row each way; without one what the driver does not know, and what is of a GPU that is not there."""
    first = gpu(0, GpuReading(peer_nvlink_status={"GPU-1": 0, "GPU-2": 6, "GPU-9": 0}))
    second = gpu(1, GpuReading(peer_nvlink_status={"GPU-0": 5}))
    text = shown(GpuCollector, first, second, gpu(2))
    name = "hw_gpu_peer_nvlink_reached"
    assert [line for line in text.splitlines() if line.startswith(name)] == [
        f'{name}{{gpu="0",hw_id="GPU-0",peer_gpu="1",peer_hw_id="GPU-1",status="ok"}} 1',
        f'{name}{{gpu="1",hw_id="GPU-1",peer_gpu="0",peer_hw_id="GPU-0",status="not_supported"}} 0',
    ]


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


def test_another_vendors_snapshot() -> None:
    """Engines, causes of low clocks, partitions, voltages and a process' engines are shown, in base units."""
    page = shown(lambda loop: GpuCollector(loop, 1), *amd_snapshot.SNAPSHOT)
    for line in (
        'hw_gpu_utilization_ratio{gpu="0",hw_gpu_task="vcn_0",hw_id="ab00000000000000"} 0.05',
        'hw_gpu_throttle_seconds_total{cause="ppt",gpu="0",hw_id="ab00000000000000"} 12.345999999',
        'hw_temperature_celsius{gpu="0",hw_id="ab00000000000000",hw_sensor_location="junction"} 61',
        'hw_voltage_volts{gpu="0",hw_id="ab00000000000000"} 0.85',
        'hw_gpu_clock_hertz{domain="fabric",gpu="0",hw_id="ab00000000000000"} 1.8e+09',
        'hw_gpu_instance_utilization_ratio{gpu="1",hw_gpu_task="general",hw_id="part-7",'
        'hw_parent="ab00000000000001"} 0.7',
    ):
        assert f"{line}\n" in page
    process = 'gpu="0",gpu_instance="",hw_id="ab00000000000000",name="python",pid="71",type="compute",user="ada"} '
    assert f'hw_gpu_process_engine_seconds_total{{engine="gfx",{process}1.5\n' in page
    assert f"hw_gpu_process_sdma_seconds_total{{{process}2.5\n" in page
    assert page.count("# TYPE hw_gpu_utilization_ratio gauge\n") == 1
