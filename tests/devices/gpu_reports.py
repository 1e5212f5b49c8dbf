"""Reports of GPUs in good order, to be altered by tests."""

from __future__ import annotations

from typing import Any, Final

from nodescope.records.gpu import EccReading, GpuReading, GpuReport, InstanceReading, LinkReading, ProcessReading

GIB: Final = 1 << 30
READING: Final = GpuReading(
    utilization_percent=97,
    memory_utilization_percent=40,
    memory_total_bytes=141 * GIB,
    memory_used_bytes=100 * GIB,
    memory_free_bytes=40 * GIB,
    memory_reserved_bytes=1 * GIB,
    bar1_total_bytes=256 * GIB,
    bar1_used_bytes=1 << 20,
    bar1_free_bytes=256 * GIB - (1 << 20),
    temperature_celsius=60,
    memory_temperature_celsius=70,
    temperature_margin_celsius=-3,
    power_milliwatts=650_000,
    power_average_milliwatts=648_000,
    power_instant_milliwatts=710_000,
    power_limit_milliwatts=700_000,
    power_limit_max_milliwatts=700_000,
    energy_millijoules=10**13,
    clock_sm_megahertz=1980,
    throttle_reasons=4,
    performance_state=0,
    fan_speed_percent=104,
    pcie_generation=5,
    pcie_width_lanes=16,
    pcie_tx_bytes=10**12,
    pcie_rx_bytes=2 * 10**12,
    ecc_mode=1,
    recovery_action=0,
    driver_fields={"c2c_link_count": 0, "nvlink_throughput_data_tx": 10**9, "nvlink_throughput_data_rx": 10**9},
    profiling={"sm_util": 99.5, "sm_occupancy": 12.5, "pcie_tx_per_sec": 60_000.0, "sm_cycles_elapsed": 1e12},
)


def report(seconds: float = 1000.0, uuid: str = "GPU-1", **reading: Any) -> GpuReport:
    """A busy H200 with two links, a process and a MIG instance, sampled at `seconds`; `reading`: fields that differ."""
    fields = {name: getattr(READING, name) for name in READING.__struct_fields__}
    return GpuReport(
        uuid=uuid,
        sampled_monotonic_seconds=seconds,
        reading=GpuReading(**{**fields, **reading}),
        links=tuple(
            LinkReading(
                link=number, active=1, speed_megabytes_per_second=26_562, tx_kibibytes=10**9, rx_kibibytes=10**9
            )
            for number in (0, 1)
        ),
        ecc=(EccReading(location="dram", corrected="corrected", life="volatile", errors=3),),
        processes=(ProcessReading(pid=4242, type="compute", memory_used_bytes=99 * GIB, sm_utilization_percent=97),),
        instances=(
            InstanceReading(
                uuid="MIG-1",
                memory_total_bytes=18 * GIB,
                memory_used_bytes=1 * GIB,
                memory_free_bytes=17 * GIB,
                profiling={"graphics_util": 50.0},
            ),
        ),
    )
