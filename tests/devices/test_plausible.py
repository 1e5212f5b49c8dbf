"""What cannot be is taken out of a GPU's report, and counted."""

from __future__ import annotations

from math import inf, nan
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.plausible import Plausible
from nodescope.devices.plausible_ranges import INSTANCE, LINK, PROCESS, READING, columns
from nodescope.records.gpu import EccReading, GpuReading, GpuReport, InstanceReading, LinkReading, ProcessReading
from nodescope.records.gpu_snapshot import DroppedReadings
from tests.devices.gpu_reports import GIB, report

replace = msgspec.structs.replace
TABLES = ((GpuReading, READING), (InstanceReading, INSTANCE), (LinkReading, LINK), (ProcessReading, PROCESS))


def numeric_fields(record: type[msgspec.Struct]) -> set[str]:
    """The fields of a record that hold one number."""
    hints = get_type_hints(record)
    return {name for name in record.__struct_fields__ if hints[name] in (int, int | None, float | None)}


@pytest.mark.parametrize(("record", "table"), TABLES)
def test_every_number_has_a_range(record: type[msgspec.Struct], table: Any) -> None:
    """Every field that holds a number is in the table, once."""
    assert sorted(column[0] for column in columns(table)) == sorted(numeric_fields(record))


def test_a_plausible_report_is_the_same_object() -> None:
    """Of a GPU in good order nothing is copied and nothing is counted, whatever it does not tell."""
    plausible = Plausible("nvidia")
    for healthy in (report(), report(utilization_percent=None, driver_fields={}), GpuReport(uuid="GPU-2")):
        assert plausible.checked(healthy) is healthy
    assert plausible.records() == ()


OUT_OF_RANGE = [
    ("temperature_celsius", 201, 200, "temperature"),
    ("temperature_celsius", -101, -100, "temperature"),
    ("temperature_margin_celsius", 255, -100, "temperature"),
    ("utilization_percent", 101, 100, "utilization"),
    ("utilization_percent", -1, 0, "utilization"),
    ("utilization_percent", nan, 0, "utilization"),
    ("utilization_percent", inf, 0, "utilization"),
    ("memory_total_bytes", 0, 141 * GIB, "memory"),
    ("memory_used_bytes", 141 * GIB + 1, 141 * GIB, "memory"),
    ("memory_free_bytes", 2**64 - 1, 141 * GIB, "memory"),
    ("bar1_used_bytes", 256 * GIB + 1, 256 * GIB, "memory"),
    ("gtt_used_bytes", 2**63, 2**62, "memory"),
    ("voltage_millivolts", 65_535, 1_200, "voltage"),
    ("fan_revolutions_per_minute", 2**31, 30_000, "fan"),
    ("junction_temperature_celsius", 65_535, 110, "temperature"),
    ("power_milliwatts", 1_400_001, 1_400_000, "power"),
    ("power_instant_milliwatts", 1_400_001, 1_400_000, "power"),
    ("power_limit_max_milliwatts", 10_000_001, 700_000, "power"),
    ("clock_sm_megahertz", 10_001, 10_000, "clock"),
    ("clock_memory_megahertz", 50_001, 11_501, "clock"),
    ("fan_speed_percent", 201, 200, "fan"),
    ("energy_millijoules", 2**64 - 1, 2**62, "counter"),
    ("pcie_replays", 2**32 - 1, 2**32, "counter"),
    ("pcie_replays", -1, 0, "counter"),
    ("throttle_reasons", 2**64 - 1, 0x1FF, "state"),
    ("performance_state", 32, 15, "state"),
    ("recovery_action", 2**32 - 1, 99, "state"),
    ("pcie_width_lanes", 0, 1, "pcie"),
    ("pcie_generation", 0, 1, "pcie"),
]


@pytest.mark.parametrize(("field", "wrong", "right", "kind"), OUT_OF_RANGE)
def test_a_reading_out_of_range_becomes_unknown(field: str, wrong: Any, right: Any, kind: str) -> None:
    """Beyond its bound a reading is None and counted once under its kind; at the bound it stays, and all others do."""
    plausible = Plausible("nvidia")
    sample = report(**{field: right})
    assert plausible.checked(sample) is sample
    checked = plausible.checked(report(**{field: wrong}))
    unknown: dict[str, Any] = {field: None}
    assert checked == report(**unknown)
    assert plausible.records() == (DroppedReadings(vendor="nvidia", kind=kind, count=1),)


def test_power_without_a_limit() -> None:
    """Where no limit is known 3000 W are the most; a limit of 0 is none."""
    plausible = Plausible("nvidia")
    unlimited: dict[str, Any] = {"power_limit_milliwatts": 0, "power_limit_max_milliwatts": None}
    at = report(power_milliwatts=3_000_000, **unlimited)
    assert plausible.checked(at) is at
    assert plausible.checked(report(power_milliwatts=3_000_001, **unlimited)).reading.power_milliwatts is None


@pytest.mark.parametrize(("limit", "most"), [(None, 1_000_000), (750_000, 1_000_000), (1_400_000, 2_800_000)])
def test_power_of_amd(limit: int | None, most: int) -> None:
    """1000 W are the most of AMD's GPUs, unless a limit is greater; a lower one changes nothing."""
    plausible = Plausible("amd")
    limits: dict[str, Any] = {"power_limit_milliwatts": limit, "power_limit_max_milliwatts": None}
    at = report(power_milliwatts=most, **limits)
    assert plausible.checked(at) is at
    assert plausible.checked(report(power_milliwatts=most + 1, **limits)).reading.power_milliwatts is None
    assert plausible.dropped == {"power": 1}


def test_values_by_name_lose_single_values() -> None:
    """Engines above 100 % or negative, and times that are "not available", go; the others stay."""
    plausible = Plausible("amd")
    engines, times = {"gfx": 100.0, "vcn_0": 0.0}, {"ppt": 2**62, "prochot": 0}
    process = ProcessReading(pid=7, type="compute", engine_ns={"gfx": 1, "dec": 2**64 - 1}, compute_units_used=304)
    checked = plausible.checked(
        replace(
            report(
                engines={**engines, "vcn_1": 101.0, "umc": nan, "jpeg_0": -1.0},
                throttled_ns={**times, "vr_thermal": 2**64 - 1, "hbm_thermal": 2**32 - 1},
            ),
            processes=(process,),
        )
    )
    assert (checked.reading.engines, checked.reading.throttled_ns) == (engines, times)
    assert checked.processes == (replace(process, engine_ns={"gfx": 1}),)
    assert plausible.dropped == {"utilization": 3, "counter": 2, "process": 1}


def test_one_reading_in_two_fields_is_counted_once() -> None:
    """The use of AMD's shaders is that of the whole GPU too; an engine that tells something else is another reading."""
    plausible = Plausible("amd")
    reading = GpuReading(
        utilization_percent=150.0, memory_utilization_percent=101.0, engines={"gfx": 150.0, "umc": 102.0, "mm": 5.0}
    )
    checked = plausible.checked(GpuReport(uuid="GPU-1", reading=reading)).reading
    assert (checked.utilization_percent, checked.memory_utilization_percent, checked.engines) == (
        None,
        None,
        {"mm": 5.0},
    )
    assert plausible.dropped == {"utilization": 3}


def test_profiling_and_driver_fields_lose_single_values() -> None:
    """Percentages above 100, negative numbers and "not available" go; rates and cycles may be as great as they are."""
    plausible = Plausible("nvidia")
    good = {"sm_util": 100.0, "pcie_tx_per_sec": 1e6, "sm_cycles_elapsed": 1e15}
    bad = {"dram_bw_util": 100.5, "sm_occupancy": nan, "fp16_util": -1.0, "nvlink_total_tx_per_sec": inf}
    fields = {"c2c_link_count": 0, "error": -1}
    unavailable = {"a": 2**64 - 1, "b": 2**32 - 1, "c": nan}
    checked = plausible.checked(report(profiling={**good, **bad}, driver_fields={**fields, **unavailable}))
    assert checked.reading.profiling == good
    assert checked.reading.driver_fields == fields
    assert plausible.dropped == {"profiling": 4, "driver_field": 3}


@pytest.mark.parametrize("metric", ["pcie_tx_per_sec", "nvlink_total_rx_per_sec", "sm_cycles_elapsed", "sm_util"])
@pytest.mark.parametrize("number", [2.0**64, 2.0**32 - 1])
def test_a_profiling_metric_of_all_ones(metric: str, number: float) -> None:
    """32 or 64 bits of one, turned into a double, are no rate, no count and no percentage."""
    plausible = Plausible("nvidia")
    assert plausible.checked(report(profiling={metric: number})).reading.profiling == {}
    assert plausible.dropped == {"profiling": 1}


def test_links_processes_instances_and_errors() -> None:
    """What is wrong in an entry becomes unknown; an entry without its number, PID or count is left out."""
    plausible = Plausible("nvidia")
    sample = report()
    entries = replace(
        sample,
        links=(replace(sample.links[0], link=-1), replace(sample.links[1], speed_megabytes_per_second=2**32 - 1)),
        ecc=(*sample.ecc, EccReading(location="sram", corrected="corrected", life="volatile", errors=2**64 - 1)),
        processes=(
            ProcessReading(pid=0, type="compute"),
            ProcessReading(pid=7, type="compute", memory_used_bytes=141 * GIB + 1, sm_utilization_percent=255),
        ),
        instances=(replace(sample.instances[0], memory_used_bytes=19 * GIB, profiling={"graphics_util": 600.0}),),
    )
    checked = plausible.checked(entries)
    assert checked.links == (replace(sample.links[1], speed_megabytes_per_second=None),)
    assert checked.ecc == sample.ecc
    assert checked.processes == (ProcessReading(pid=7, type="compute"),)
    assert checked.instances == (replace(sample.instances[0], memory_used_bytes=None, profiling={}),)
    assert plausible.dropped == {"link": 2, "counter": 1, "process": 3, "memory": 1, "profiling": 1}


def test_a_time_that_cannot_be_is_no_sample() -> None:
    """A report whose time is no time counts as one without a reading."""
    plausible = Plausible("nvidia")
    for wrong in (nan, inf, -1.0):
        assert plausible.checked(report(wrong)).sampled_monotonic_seconds == 0
    assert plausible.dropped == {"time": 3}


ODD = st.sampled_from([None, 0, 1, -1, 50, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 10**30, nan, inf, -inf, 0.5, 1e308])
NUMBER = st.one_of(ODD, st.integers(-(2**70), 2**70), st.floats())
REQUIRED = st.integers(-(2**65), 2**65)
MAPPING = st.dictionaries(st.sampled_from(["sm_util", "pcie_tx_per_sec", "sm_occupancy", "x"]), NUMBER.filter(bool))


def records(record: type[msgspec.Struct], **mappings: Any) -> st.SearchStrategy[Any]:
    fields = dict.fromkeys(numeric_fields(record), NUMBER) | mappings
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: record(**values))


@given(
    records(GpuReading, driver_fields=MAPPING, profiling=MAPPING, engines=MAPPING, throttled_ns=MAPPING),
    st.lists(st.builds(LinkReading, link=REQUIRED, active=NUMBER, tx_kibibytes=NUMBER), max_size=3),
    st.lists(st.builds(ProcessReading, pid=REQUIRED, type=st.just("compute"), memory_used_bytes=NUMBER), max_size=3),
    st.lists(st.builds(InstanceReading, uuid=st.just("MIG"), memory_used_bytes=NUMBER, profiling=MAPPING), max_size=3),
    st.floats(),
)
def test_whatever_comes_in_what_goes_out_is_in_range(
    reading: GpuReading, links: Any, processes: Any, instances: Any, seconds: float
) -> None:
    """Nothing raises, all numbers that are left are in their ranges, and what is checked again is the same object."""
    plausible = Plausible("nvidia")
    sample = GpuReport(
        uuid="GPU-1",
        sampled_monotonic_seconds=seconds,
        busy_seconds=seconds,
        reading=reading,
        links=tuple(links),
        processes=tuple(processes),
        instances=tuple(instances),
        ecc=(EccReading(location="dram", corrected="corrected", life="volatile", errors=links[0].link),)
        if links
        else (),
    )
    checked = plausible.checked(sample)
    for table, entries in (
        (READING, (checked.reading,)),
        (LINK, checked.links),
        (PROCESS, checked.processes),
        (INSTANCE, checked.instances),
    ):
        for entry in entries:
            for name, low, high, not_available, _ in columns(table):
                value = getattr(entry, name)
                assert value is None or (low <= value <= high and value != not_available)
    counted = dict(plausible.dropped)
    assert all(count > 0 for count in counted.values())
    assert (checked is sample) == (counted == {})
    assert plausible.checked(checked) is checked
    assert plausible.dropped == counted
