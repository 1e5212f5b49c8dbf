"""Collector gpu_rocm: device-metrics-exporter's names."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from nodescope import collectors
from nodescope.collectors.gpu.gpu_rocm import GpuRocmCollector, further_labels
from nodescope.collectors.gpu.rocm_entries import clocks, errors
from nodescope.configuration import load
from nodescope.host import Host
from nodescope.profiles.gpu_rocm import FURTHER_LABELS
from nodescope.records.gpu import EccReading, GpuReading
from nodescope.settings import SettingsError
from tests.collectors.gpu.amd_snapshot import PARTS, READING, SNAPSHOT, gpu
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import loop_of, shown


def text(*records: object) -> str:
    return shown(lambda loop: GpuRocmCollector(loop, "n1"), *records)


def value(page: str, name: str, **labels: str) -> list[str]:
    """The numbers of the series of `name` that have `labels`."""
    wanted = [f'{label}="{text}"' for label, text in labels.items()]
    return [
        line.rpartition(" ")[2]
        for line in page.splitlines()
        if line.startswith(f"{name}{{") and all(pair in line for pair in wanted)
    ]


def test_the_whole_of_a_snapshot() -> None:
    """A whole GPU and a divided one, with errors, links, clocks, engines and processes, under the exporter's names."""
    assert text(*SNAPSHOT) == golden("gpu_rocm")


def test_all_metrics_are_gauges() -> None:
    """As the exporter has them, counters too; each name has one help text."""
    assert {metric.type for metric in GpuRocmCollector.metrics} == {"gauge"}
    helps = {(metric.name, metric.help) for metric in GpuRocmCollector.metrics}
    assert len(helps) == len({name for name, _ in helps}) == len(GpuRocmCollector.metrics)


def test_units() -> None:
    """Watts, microjoules, MiB, ticks of a millisecond and GT/s are the exporter's."""
    page = text(*SNAPSHOT)
    whole = {"gpu_id": "0"}
    assert value(page, "gpu_package_power", **whole) == ["650.5"]
    assert [float(number) for number in value(page, "gpu_energy_consumed", **whole)] == [123_456_789_000]
    assert value(page, "gpu_used_vram", **whole) == ["49152"]
    assert value(page, "gpu_free_vram", **whole) == ["147455"]
    assert value(page, "gpu_free_gtt", **whole) == ["1.048552e+06"]
    assert value(page, "gpu_violation_ppt_residency_accumulated", **whole) == ["12345"]
    assert value(page, "pcie_speed", **whole) == ["32"]
    assert value(page, "gpu_process_cu_occupancy", process_id="71") == ["50"]


def test_a_divided_gpu() -> None:
    """It counts as its partitions; what is read of the whole is told of partition 0 alone, use of dies of each."""
    page = text(*SNAPSHOT)
    assert value(page, "gpu_power_usage", gpu_compute_partition_type="cpx") == ["300"]
    assert value(page, "gpu_power_usage", gpu_id="1", gpu_partition_id="0") == ["300"]
    busy = value(page, "gpu_gfx_busy_instantaneous", xcc_index="0")
    assert busy == [str(10 * part) for part in range(PARTS)]
    assert value(page, "gpu_gfx_busy_instantaneous", gpu_id="8", gpu_partition_id="7") == ["70"]
    assert 'gpu_nodes_total{hostname="n1"} 9' in page


def test_partitions_of_several_dies() -> None:
    """Where a partition has several compute dies only their mean is known, which is the use of none of them."""
    records = [
        msgspec.structs.replace(one, identity=msgspec.structs.replace(one.identity, compute_partition="DPX"))
        for one in SNAPSHOT
        if hasattr(one, "identity")
    ]
    assert "gpu_gfx_busy_instantaneous" not in text(*records)


def test_health() -> None:
    """A warning leaves a GPU healthy; where the verdict is unknown nothing is told."""
    page = text(*SNAPSHOT)
    assert (value(page, "gpu_health", gpu_id="0"), value(page, "gpu_health", gpu_id="1")) == (["1"], ["0"])
    assert "gpu_health" not in text(gpu(0))


@pytest.mark.parametrize(("edge", "shown"), [(61, ["61"]), (None, [])])
def test_the_edge_temperature(edge: int | None, shown: list[str]) -> None:
    """It is of GPUs whose edge is told alone: it is no second name for the junction's."""
    reading = msgspec.structs.replace(READING, junction_temperature_celsius=61, edge_temperature_celsius=edge)
    assert value(text(gpu(0, reading)), "gpu_edge_temperature") == shown


def test_clocks() -> None:
    """Each of several clocks has its place; of a GPU that tells one of a kind it is the first of the kind."""
    page = text(*SNAPSHOT)
    system = {"clock_type": "system", "gpu_id": "0"}
    assert value(page, "gpu_clock", clock_index="1", **system) == ["132"]
    assert value(page, "gpu_clock", clock_index="8", clock_type="memory", gpu_id="0") == ["1300"]
    assert value(page, "gpu_clock", clock_index="13", clock_type="data", gpu_id="0") == ["22"]
    assert value(page, "gpu_max_clock", clock_index="0", **system) == ["2100"]
    assert clocks(GpuReading(clock_graphics_megahertz=500)) == {"system_0": 500}
    assert clocks(GpuReading()) == {}


def test_errors() -> None:
    """Totals are sums of what blocks tell; where none does they are the GPU's own, and else absent, never 0."""
    page = text(*SNAPSHOT)
    assert value(page, "gpu_ecc_correct_total", gpu_id="0") == ["7"]
    assert value(page, "gpu_ecc_correct_bif", gpu_id="0") == ["4"]
    assert value(page, "gpu_ecc_deferred_umc", gpu_id="0") == ["1"]
    assert value(page, "gpu_ecc_correct_total", gpu_id="1") == []
    own = GpuReading(ecc_corrected_volatile_errors=9)
    assert errors((), own) == {"correct_total": 9}
    deferred = msgspec.structs.replace(own, driver_fields={"ecc_deferred_volatile_errors": 7})
    assert errors((), deferred) == {"correct_total": 9, "deferred_total": 7}
    block = EccReading(location="UMC", corrected="corrected", life="volatile", errors=2)
    odd = EccReading(location="new", corrected="odd", life="volatile", errors=2)
    assert errors((block, odd), own) == {"correct_umc": 2, "correct_total": 2}


def test_every_block_and_kind_has_a_name() -> None:
    """Three kinds of errors in 19 blocks and in all of them."""
    assert sum(metric.name.startswith("gpu_ecc_") for metric in GpuRocmCollector.metrics) == 3 * 20


def test_further_labels() -> None:
    """Labels that are off in the exporter are shown on request; its usual ones may be named, others stop the start."""
    settings = load({"collector.gpu_rocm.labels": ["GPU_UUID", "driver_version", "hostname"]}, {})
    assert further_labels(settings) == ("gpu_uuid", "driver_version")
    assert further_labels(load({"collector.gpu_rocm.labels": ["gpu_uuid,card_series", "gpu_uuid"]}, {})) == (
        "gpu_uuid",
        "card_series",
    )
    page = shown(lambda loop: GpuRocmCollector(loop, "n1", tuple(FURTHER_LABELS)), *SNAPSHOT)
    assert re.search(r'gpu_health\{.*card_vendor="AMD".*driver_version="6.12.12",.*gpu_uuid="ab0', page)
    with pytest.raises(SettingsError, match="'pod', expected some of gpu_uuid, card_series"):
        further_labels(load({"collector.gpu_rocm.labels": ["pod"]}, {}))


def test_a_gpu_that_tells_nothing() -> None:
    """Of a GPU without a reading there is no series but the count of GPUs; without any GPU there is none at all."""
    assert text(gpu(0, GpuReading())).count("\n") == 3
    assert text() == ""


def test_a_number_of_gpus_without_index() -> None:
    """GPUs without an index come last, and have numbers all the same."""
    page = text(gpu(0, READING, index=None, uuid="z"), gpu(1, READING))
    assert value(page, "gpu_gfx_activity", gpu_id="0", serial_number="692409005401") == ["80"]
    assert len(value(page, "gpu_gfx_activity")) == 2


@pytest.mark.parametrize("name", ["gpu_rocm", "gpu_conductor", "gpu_lens"])
def test_built_from_settings(name: str, tmp_path: Path) -> None:
    """The table builds each collector with its settings and touches no GPU."""
    collector = collectors.build(name, Host(str(tmp_path), str(tmp_path), str(tmp_path)), load({}, {}))
    assert (collector.name, collector.left_out) == (name, 0)


def test_every_family_is_in_the_catalogue() -> None:
    """The collector names the metrics that it may give, and gives no other."""
    with loop_of(*SNAPSHOT) as loop:
        given = {family.metric for family in GpuRocmCollector(loop, "n1").collect()}
    assert given <= set(GpuRocmCollector.metrics)
