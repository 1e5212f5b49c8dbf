"""What gpu_metrics says, in the units of the records."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.devices.amd.gpu_metrics import decode
from nodescope.devices.amd.gpu_metrics_reading import fields, links, partition, partitions, reading
from nodescope.records.gpu import GpuReading
from nodescope.simulate.amd_gpu_metrics import Values, encode


def read(
    form: int, content: int, values: Values, parts: tuple[Values, ...] = (), size: int | None = None
) -> GpuReading:
    return reading(decode(encode(form, content, values, parts, size), "gpu_metrics"))


def told(found: GpuReading) -> dict[str, Any]:
    """What a reading has, without the driver's own fields."""
    names = [name for name in found.__struct_fields__ if name != "driver_fields"]
    return {name: getattr(found, name) for name in names if getattr(found, name) not in (None, {})}


def test_an_mi300x() -> None:
    """Version 1.8: watts become milliwatts, 2^-16 J millijoules, ticks of 1 ms nanoseconds; clocks are the fastest."""
    found = read(
        1,
        8,
        {
            "temperature_hotspot": 71,
            "temperature_mem": 52,
            "curr_socket_power": 749,
            "average_gfx_activity": 99,
            "average_umc_activity": 41,
            "energy_accumulator": 3 * 2**16 + 2**15,
            "ppt_residency_acc": 53_994,
            "prochot_residency_acc": 0,
            "pcie_link_width": 16,
            "pcie_link_speed": 320,
            "pcie_replay_count_acc": 2,
            "current_gfxclk": [132, 2100, 1980],
            "current_socclk": [29, 1143],
            "current_vclk0": [29],
            "current_uclk": 1300,
            "gfx_activity_acc": 77,
            "num_partition": 1,
        },
        ({"gfx_busy_inst": [99] * 8, "jpeg_busy": [10, 20], "vcn_busy": [5]},),
    )
    assert told(found) == {
        "temperature_celsius": 71,
        "junction_temperature_celsius": 71,
        "memory_temperature_celsius": 52,
        "power_milliwatts": 749_000,
        "power_instant_milliwatts": 749_000,
        "utilization_percent": 99.0,
        "memory_utilization_percent": 41.0,
        "jpeg_utilization_percent": 15.0,
        "energy_millijoules": 3500,
        "throttled_ns": {"ppt": 53_994_000_000, "prochot": 0},
        "pcie_width_lanes": 16,
        "pcie_generation": 5,
        "pcie_replays": 2,
        "clock_graphics_megahertz": 2100,
        "clock_soc_megahertz": 1143,
        "clock_video_megahertz": 29,
        "clock_memory_megahertz": 1300,
        "engines": {"gfx": 99.0, "umc": 41.0, "vcn_0": 5.0, "jpeg_0": 10.0, "jpeg_1": 20.0},
    }
    assert found.driver_fields["gfx_activity_acc"] == 77
    assert found.driver_fields["current_gfxclk_1"] == 2100
    assert "current_gfxclk_3" not in found.driver_fields


def test_an_mi210() -> None:
    """Version 1.3: edge and junction apart, the memory's is the hottest of its stacks, power is an average."""
    found = read(
        1,
        3,
        {
            "temperature_edge": 40,
            "temperature_hotspot": 47,
            "temperature_hbm": [41, 44, 43, None],
            "average_gfx_activity": 55,
            "average_mm_activity": 3,
            "average_socket_power": 91,
            "current_gfxclk": 1700,
            "average_uclk_frequency": 1600,
            "current_fan_speed": 1200,
            "voltage_gfx": 806,
            "pcie_link_width": 16,
            "pcie_link_speed": 160,
            "throttle_status": 4,
            "indep_throttle_status": 2**40,
        },
    )
    assert told(found) == {
        "temperature_celsius": 40,
        "edge_temperature_celsius": 40,
        "junction_temperature_celsius": 47,
        "memory_temperature_celsius": 44,
        "power_milliwatts": 91_000,
        "power_average_milliwatts": 91_000,
        "utilization_percent": 55.0,
        "engines": {"gfx": 55.0, "mm": 3.0},
        "clock_graphics_megahertz": 1700,
        "clock_memory_megahertz": 1600,
        "fan_revolutions_per_minute": 1200,
        "voltage_millivolts": 806,
        "pcie_width_lanes": 16,
        "pcie_generation": 4,
    }
    assert found.driver_fields["throttle_status"] == 4
    assert found.driver_fields["indep_throttle_status"] == 2**40


def test_video_engines_that_are_not_measured() -> None:
    """The 0 that older kernels always write of MI200's video engines is none; of other GPUs it is one."""
    assert read(1, 3, {"average_mm_activity": 0, "temperature_hbm": [41, 44, 43, 40]}).engines == {}
    assert read(1, 3, {"average_mm_activity": 0, "temperature_mem": 41}).engines == {"mm": 0.0}


@pytest.mark.parametrize(("form", "content"), [(2, 4), (3, 0)])
def test_a_processor_with_graphics(form: int, content: int) -> None:
    """Formats 2 and 3: temperatures and activities are hundredths, power is milliwatts."""
    values = {"temperature_gfx": 4512, "average_gfx_activity": 3750, "average_socket_power": 15_321}
    found = read(form, content, values | {"average_fclk_frequency": 1600})
    assert told(found) == {
        "temperature_celsius": pytest.approx(45.12),
        "edge_temperature_celsius": pytest.approx(45.12),
        "utilization_percent": 37.5,
        "engines": {"gfx": 37.5},
        "power_milliwatts": 15_321,
        "power_average_milliwatts": 15_321,
        "clock_fabric_megahertz": 1600,
    }


def test_hundredths_of_a_percent() -> None:
    """A shader's activity above 100 is that of firmware before MI300 which tells hundredths of a percent."""
    assert read(1, 1, {"average_gfx_activity": 9950}).utilization_percent == 99.5
    assert read(1, 1, {"average_gfx_activity": 100}).utilization_percent == 100.0
    assert read(1, 1, {"average_umc_activity": 200}).memory_utilization_percent == 200.0
    assert read(1, 6, {"average_gfx_activity": 150}).utilization_percent == 150.0


def test_what_is_unknown_stays_unknown() -> None:
    """No energy without a counter, no PCI Express without a link or at an unknown speed."""
    found = read(1, 3, {"energy_accumulator": 0, "pcie_link_width": 0, "pcie_link_speed": 123})
    assert told(found) == {}


def test_xgmi() -> None:
    """What was read came in, what was written went out; the rate is that of all lanes; 2 is a state not known."""
    found = links(
        decode(
            encode(
                1,
                8,
                {
                    "xgmi_link_width": 16,
                    "xgmi_link_speed": 32,
                    "xgmi_read_data_acc": [1000, 2000],
                    "xgmi_write_data_acc": [500, None],
                    "xgmi_link_status": [1, 0, 2],
                },
            ),
            "gpu_metrics",
        )
    )
    assert [(one.link, one.active, one.rx_kibibytes, one.tx_kibibytes) for one in found] == [
        (0, 1, 1000, 500),
        (1, 0, 2000, None),
    ]
    assert {one.speed_megabytes_per_second for one in found} == {64_000}


def test_partitions() -> None:
    """Each partition has the mean of its XCCs, their fastest clock, its own engines and sums of accumulators."""
    parts = tuple(
        {
            "gfx_busy_inst": [10 * number, 20 * number],
            "vcn_busy": [number],
            "gfx_below_host_limit_ppt_acc": [number, 5],
        }
        for number in range(4)
    )
    clocks = [100, 200, 300, 400, 500, 600, 700, 800]
    metrics = decode(encode(1, 8, {"current_gfxclk": clocks, "num_partition": 4}, parts), "gpu_metrics")
    found = partitions(metrics)
    assert [one.number for one in found] == [0, 1, 2, 3]
    assert [one.utilization_percent for one in found] == [0.0, 15.0, 30.0, 45.0]
    assert [one.clock_graphics_megahertz for one in found] == [200, 400, 600, 800]
    assert found[3].engines == {"vcn_0": 3.0}
    assert found[3].counters == {"gfx_below_host_limit_ppt_acc": 8}
    # Partitions may share an engine: then the GPU has no list of its own.
    assert fields(metrics)["engines"] == {}


@pytest.mark.parametrize(
    ("clocks", "found"),
    [
        ([100, None, 300, 400, 500, 600, 700, 800], [100, 400, 600, 800]),
        ([100, 200, 300, None, 500, 600, None, None], [200, 300, 600, None]),
        ([100, 200, 300, None], [100, 200, 300, None]),
        ([None] * 8, [None] * 4),
    ],
)
def test_a_clock_that_is_not_told(clocks: list[int | None], found: list[int | None]) -> None:
    """An XCC that does not tell its clock moves no other's to another partition."""
    parts: tuple[Values, ...] = tuple({"gfx_busy_inst": [1]} for _ in range(4))
    told = [0xFFFF if clock is None else clock for clock in clocks]
    metrics = decode(encode(1, 8, {"current_gfxclk": told, "num_partition": 4}, parts), "gpu_metrics")
    assert [one.clock_graphics_megahertz for one in partitions(metrics)] == found


def test_a_partition_by_itself() -> None:
    """What xcp_metrics says is one partition's."""
    metrics = decode(encode(1, 8, {"current_gfxclk": [900, 1000]}), "xcp_metrics")
    assert partition(metrics, 5) == (5, None, 1000, {}, {})


def test_hundredths_of_a_degree() -> None:
    """Each hundredth of a degree of a processor with graphics is told as it is, without the noise of a product."""
    told_by = {hundredths: read(3, 0, {"temperature_gfx": hundredths}) for hundredths in (5012, 5789, 2904)}
    assert [one.edge_temperature_celsius for one in told_by.values()] == [50.12, 57.89, 29.04]
