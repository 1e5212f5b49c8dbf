"""What gpu_metrics says, in the units of the records.

*Source*: comments in drivers/gpu/drm/amd/include/kgd_pp_interface.h of Linux, and where they say nothing the driver's
own use of the same numbers (drivers/gpu/drm/amd/pm/swsmu). *Units* of the file: format 1 (GPUs) has watts, degrees
Celsius, percent; formats 2 and 3 (processors with graphics) have milliwatts, hundredths of a degree, hundredths of a
percent. Everywhere: MHz, mV, rpm, energy in 2^-16 J, PCIe speed in 0.1 GT/s, XGMI data in KiB, its speed in Gbit/s a
lane, throttle residency in ticks of the firmware's loop, 1 ms each, as `accumulation_counter`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from nodescope.devices.amd.gpu_metrics import GpuMetrics
from nodescope.devices.amd.gpu_metrics_attributes import Value
from nodescope.records.gpu import GpuReading, LinkReading

ENERGY_SHIFT: Final = 16
TICK_NANOSECONDS: Final = 1_000_000
MAX_PERCENT: Final = 100
LAST_CONTENT_OF_HUNDREDTHS: Final = 3
"""Of format 1: a later revision has plain percent."""
MEGABYTES_OF_GIGABIT: Final = 125

PCIE_GENERATIONS: Final = {25: 1, 50: 2, 80: 3, 160: 4, 320: 5, 640: 6}
"""By speed in 0.1 GT/s."""

THROTTLERS: Final = {
    "prochot": "prochot_residency_acc",
    "ppt": "ppt_residency_acc",
    "socket_thermal": "socket_thm_residency_acc",
    "vr_thermal": "vr_thm_residency_acc",
    "hbm_thermal": "hbm_thm_residency_acc",
}
"""Cause in `GpuReading.throttled_ns` -> residency. "ppt": the power limit of the package."""

LINK_ACTIVE: Final = 1
LINK_NOT_AVAILABLE: Final = 2

Fields = dict[str, Any]


class _Row(NamedTuple):
    """A field of `GpuReading`: the first of `names` that is told, or the greatest of its instances, times `factor`, by
    `per`."""

    field: str
    names: tuple[str, ...]
    factor: int = 1
    per: int = 1


# Clocks: of several XCCs the fastest, for one that has no work slows down while the others compute.
_CLOCKS: Final = (
    _Row("clock_graphics_megahertz", ("current_gfxclk", "average_gfxclk_frequency")),
    _Row("clock_memory_megahertz", ("current_uclk", "average_uclk_frequency")),
    _Row("clock_soc_megahertz", ("current_socclk", "average_socclk_frequency")),
    _Row(
        "clock_video_megahertz", ("current_vclk0", "current_vclk", "average_vclk0_frequency", "average_vclk_frequency")
    ),
    _Row("clock_fabric_megahertz", ("current_fclk", "average_fclk_frequency")),
)
_GPU: Final = (
    _Row("edge_temperature_celsius", ("temperature_edge",)),
    _Row("junction_temperature_celsius", ("temperature_hotspot",)),
    _Row("memory_temperature_celsius", ("temperature_mem", "temperature_hbm")),
    _Row("power_milliwatts", ("curr_socket_power", "average_socket_power"), 1000),
    _Row("power_instant_milliwatts", ("curr_socket_power",), 1000),
    _Row("power_average_milliwatts", ("average_socket_power",), 1000),
    _Row("fan_revolutions_per_minute", ("current_fan_speed",)),
    _Row("voltage_millivolts", ("voltage_gfx",)),
    _Row("pcie_replays", ("pcie_replay_count_acc",)),
    *_CLOCKS,
)
_APU: Final = (
    _Row("edge_temperature_celsius", ("temperature_gfx",), per=100),
    _Row("power_milliwatts", ("average_socket_power",)),
    _Row("power_average_milliwatts", ("average_socket_power",)),
    _Row("voltage_millivolts", ("average_gfx_voltage",)),
    *_CLOCKS,
)

_DRIVER_FIELDS_TEXT: Final = (
    "accumulation_counter average_apu_power average_cpu_power average_dgpu_power average_gfx_power average_soc_power"
    " average_sys_power current_dclk0 current_dclk current_gfxclk current_socclk current_vclk0 fan_pwm"
    " firmware_timestamp gfx_activity_acc gfxclk_lock_status indep_throttle_status mem_activity_acc mem_max_bandwidth"
    " num_partition pcie_bandwidth_acc pcie_bandwidth_inst pcie_l0_to_recov_count_acc pcie_lc_perf_other_end_recovery"
    " pcie_nak_rcvd_count_acc pcie_nak_sent_count_acc pcie_replay_rover_count_acc system_clock_counter"
    " temperature_hbm temperature_soc temperature_vrgfx temperature_vrmem temperature_vrsoc throttle_residency_fppt"
    " throttle_residency_prochot throttle_residency_spl throttle_residency_sppt throttle_residency_thm_core"
    " throttle_residency_thm_gfx throttle_residency_thm_soc throttle_status voltage_mem voltage_soc xgmi_link_speed"
    " xgmi_link_width"
)
DRIVER_FIELDS: Final = tuple(_DRIVER_FIELDS_TEXT.split())
"""Told under the kernel's names and in its units, with "_0" and so on behind each instance's: activity accumulators
have no documented time base, and the bits of throttle states mean other things on each GPU, some always set."""

_ENGINES: Final = {
    "gfx": "average_gfx_activity",
    "umc": "average_umc_activity",
    "mm": "average_mm_activity",
    "vcn": "average_vcn_activity",
    "ipu": "average_ipu_activity",
}
"""Name in `GpuReading.engines` -> activity."""
_EACH_ENGINE: Final = {"vcn": ("vcn_activity", "vcn_busy"), "jpeg": ("jpeg_activity", "jpeg_busy")}
"""Engines of which there are several: "vcn_0" ..."""


class PartitionReading(NamedTuple):
    """What gpu_metrics says of one partition. `utilization_percent`: mean of its XCCs. `engines`: as of a GPU.

    `counters`: accumulators by the kernel's name, summed over its XCCs, in the driver's units.
    """

    number: int
    utilization_percent: float | None
    clock_graphics_megahertz: int | None
    engines: dict[str, float]
    counters: dict[str, int]


def reading(metrics: GpuMetrics) -> GpuReading:
    """The part of a reading that gpu_metrics tells."""
    found = fields(metrics)
    settle_temperature(found)
    return GpuReading(**found)


def fields(metrics: GpuMetrics) -> Fields:
    """The same as fields of `GpuReading`, for one who adds what other files say. What is absent is left out."""
    found: Fields = {}
    for field, names, factor, per in _GPU if metrics.format == 1 else _APU:
        value = _greatest(metrics, names)
        if value is not None:
            # Hundredths times 0.01 are 50.120000000000005.
            found[field] = value * factor if per == 1 else value / per
    _add_energy(metrics, found)
    _add_pcie(metrics, found)
    _add_activities(metrics, found)
    throttled = {cause: metrics.number(name) for cause, name in THROTTLERS.items()}
    found["throttled_ns"] = {cause: ticks * TICK_NANOSECONDS for cause, ticks in throttled.items() if ticks is not None}
    found["driver_fields"] = dict(_driver_fields(metrics.values))
    return found


def settle_temperature(fields: Fields) -> None:
    """The GPU's own temperature, when all have told theirs: that of its edge, where there is none of its junction."""
    for sensor in ("edge_temperature_celsius", "junction_temperature_celsius"):
        if sensor in fields:
            fields.setdefault("temperature_celsius", fields[sensor])


def links(metrics: GpuMetrics) -> tuple[LinkReading, ...]:
    """The XGMI links. A link is told of where its state or what went over it is."""
    read, written, states = (
        metrics.each(name) for name in ("xgmi_read_data_acc", "xgmi_write_data_acc", "xgmi_link_status")
    )
    width, speed = metrics.number("xgmi_link_width"), metrics.number("xgmi_link_speed")
    rate = width * speed * MEGABYTES_OF_GIGABIT if width and speed else None
    found = []
    for link in range(max(len(read), len(written), len(states))):
        rx, tx, state = (_at(values, link) for values in (read, written, states))
        active = None if state is None or state >= LINK_NOT_AVAILABLE else int(state == LINK_ACTIVE)
        if rx is not None or tx is not None or active is not None:
            found.append(
                LinkReading(link=link, active=active, speed_megabytes_per_second=rate, tx_kibibytes=tx, rx_kibibytes=rx)
            )
    return tuple(found)


def partitions(metrics: GpuMetrics) -> tuple[PartitionReading, ...]:
    """What is told of each partition, in order; none before version 1.6 and in version 1.9."""
    clocks = metrics.each("current_gfxclk")
    # An XCC without a clock keeps its place among the others; behind the last one there are none.
    there = max((place for place, clock in enumerate(clocks, 1) if clock is not None), default=0)
    count = len(metrics.partitions)
    per = -(-there // count) if count else 0
    return tuple(
        _partition(index, values, _known(clocks[index * per : (index + 1) * per]))
        for index, values in enumerate(metrics.partitions)
    )


def partition(metrics: GpuMetrics, index: int) -> PartitionReading:
    """What a file xcp_metrics (`decode_partition`) says of the partition `index`."""
    return _partition(index, metrics.values, _known(metrics.values.get("current_gfxclk")))


def _partition(index: int, values: dict[str, Value], clocks: list[int]) -> PartitionReading:
    engines: dict[str, float] = {}
    for engine, (_, name) in _EACH_ENGINE.items():
        engines |= _engines(engine, values.get(name))
    counters = {name: sum(_known(value)) for name, value in values.items() if name.endswith("_acc")}
    clock = max(clocks, default=None)
    return PartitionReading(index, _mean(_known(values.get("gfx_busy_inst"))), clock, engines, counters)


def _greatest(metrics: GpuMetrics, names: tuple[str, ...]) -> int | None:
    for name in names:
        value = metrics.values.get(name)
        if value is not None:
            return value if isinstance(value, int) else max(_known(value))
    return None


def _add_energy(metrics: GpuMetrics, found: Fields) -> None:
    energy = metrics.number("energy_accumulator")
    # 0: firmware that does not count leaves it so, and one that counts is past it after 15 microjoules.
    if energy:
        found["energy_millijoules"] = energy * 1000 >> ENERGY_SHIFT


def _add_pcie(metrics: GpuMetrics, found: Fields) -> None:
    lanes = metrics.number("pcie_link_width")
    if lanes:
        found["pcie_width_lanes"] = lanes
    generation = PCIE_GENERATIONS.get(metrics.number("pcie_link_speed") or 0)
    if generation is not None:
        found["pcie_generation"] = generation


def _add_activities(metrics: GpuMetrics, found: Fields) -> None:
    engines: dict[str, float] = {}
    for engine, name in _ENGINES.items():
        known = _known(metrics.values.get(name))
        # MI200, which alone tells of its stacks of memory, does not measure it: kernels before 6.5 write 0.
        if known and not (engine == "mm" and not any(known) and "temperature_hbm" in metrics.values):
            engines[engine] = _percent(metrics, engine, _mean(known) or 0.0)
    # Where there are several partitions they may share an engine, so that only each partition's are told.
    whole = metrics.partitions[0] if len(metrics.partitions) == 1 else {}
    for engine, (of_gpu, of_partition) in _EACH_ENGINE.items():
        told = (metrics.values.get(of_gpu), metrics.values.get(of_partition), whole.get(of_partition))
        engines |= _engines(engine, next((value for value in told if value is not None), None))
    found["engines"] = engines
    if "gfx" in engines:
        found["utilization_percent"] = engines["gfx"]
    if "umc" in engines:
        found["memory_utilization_percent"] = engines["umc"]
    jpeg = _mean([used for engine, used in engines.items() if engine.startswith("jpeg_")])
    if jpeg is not None:
        found["jpeg_utilization_percent"] = jpeg


def _percent(metrics: GpuMetrics, engine: str, value: float) -> float:
    """Processors with graphics tell hundredths of a percent, as do some GPUs before MI300 of their shaders alone."""
    some = engine == "gfx" and metrics.content <= LAST_CONTENT_OF_HUNDREDTHS and value > MAX_PERCENT
    return value / 100 if metrics.format != 1 or some else value


def _engines(engine: str, value: Value | None) -> dict[str, float]:
    each = (value,) if isinstance(value, int) else value or ()
    return {f"{engine}_{number}": float(used) for number, used in enumerate(each) if used is not None}


def _driver_fields(values: dict[str, Value]) -> Iterator[tuple[str, int]]:
    for name in DRIVER_FIELDS:
        value = values.get(name)
        if isinstance(value, int):
            yield name, value
        elif value is not None:
            for number, one in enumerate(value):
                if one is not None:
                    yield f"{name}_{number}", one


def _known(value: Value | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else [one for one in value if one is not None]


def _mean(values: list[int] | list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _at(values: tuple[int | None, ...], index: int) -> int | None:
    return values[index] if index < len(values) else None
