"""A snapshot of two MI300X, one whole and one divided in eight, as the sampler of AMD's GPUs gives it."""

from __future__ import annotations

from typing import Any, Final

from nodescope.records.gpu import (
    EccReading,
    GpuIdentity,
    GpuReading,
    InstanceIdentity,
    InstanceReading,
    LinkReading,
    ProcessReading,
)
from nodescope.records.gpu_sampling import GpuSampling
from nodescope.records.gpu_snapshot import (
    DroppedReadings,
    Gpu,
    GpuEcc,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
)

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
PARTS: Final = 8


def identity(number: int, **changes: Any) -> GpuIdentity:
    fields: dict[str, Any] = {
        "vendor": "amd",
        "uuid": f"ab{number:014x}",
        "index": number,
        "pci_address": f"0000:{0x0C + number:02x}:00.0",
        "model": "AMD Instinct MI300X OAM",
        "serial": f"69240900540{number}",
        "part_number": "102-G30211-0C",
        "architecture": "gfx942",
        "vbios_version": "113-M3000100-102",
        "driver_version": "6.12.12",
        "compute_partition": "SPX",
        "memory_partition": "NPS1",
        "compute_units": 304,
    }
    return GpuIdentity(**{**fields, **changes})


READING: Final = GpuReading(
    utilization_percent=80,
    memory_utilization_percent=33.5,
    memory_total_bytes=192 * GIB,
    memory_used_bytes=48 * GIB + 1,
    bar1_total_bytes=192 * GIB,
    bar1_used_bytes=48 * GIB,
    gtt_total_bytes=1024 * GIB,
    gtt_used_bytes=24 * MIB,
    temperature_celsius=61,
    junction_temperature_celsius=61,
    memory_temperature_celsius=47,
    power_milliwatts=650_500,
    power_instant_milliwatts=650_500,
    power_limit_milliwatts=750_000,
    energy_millijoules=123_456_789,
    clock_graphics_megahertz=2100,
    clock_memory_megahertz=1300,
    clock_soc_megahertz=30,
    clock_fabric_megahertz=1800,
    clock_max_graphics_megahertz=2100,
    voltage_millivolts=850,
    fan_revolutions_per_minute=3000,
    pcie_generation=5,
    pcie_max_generation=5,
    pcie_replays=0,
    driver_fields={
        "current_gfxclk_0": 2100,
        "current_gfxclk_1": 132,
        "current_vclk0_0": 29,
        "current_dclk0_0": 22,
        "accumulation_counter": 900_000,
        "pcie_bandwidth_inst": 7,
        "pcie_nak_sent_count_acc": 1,
        "temperature_hbm_0": 45,
    },
    engines={"gfx": 80.0, "umc": 33.5, "vcn_0": 5.0, "jpeg_31": 1.0},
    throttled_ns={"ppt": 12_345_999_999, "prochot": 0},
)


def gpu(number: int, reading: GpuReading = READING, **changes: Any) -> Gpu:
    return Gpu(identity=identity(number, **changes), state="ok", reason="", up=1, age_seconds=0.5, reading=reading)


WHOLE: Final = gpu(0)
DIVIDED: Final = gpu(
    1, GpuReading(utilization_percent=50, power_milliwatts=300_000, engines={"gfx": 50.0}), compute_partition="CPX"
)
INSTANCES: Final = tuple(
    GpuInstance(
        identity=DIVIDED.identity,
        gpu=DIVIDED,
        first=1,
        instance=InstanceIdentity(
            gpu_uuid=DIVIDED.identity.uuid, uuid=f"part-{part}", index=part, gpu_instance_id=part, profile="CPX",
            compute_units=38, dri_render=f"renderD{129 + part}",
        ),
        reading=InstanceReading(
            uuid=f"part-{part}", utilization_percent=10.0 * part, memory_used_bytes=GIB, clock_graphics_megahertz=2000
        ),
    )
    for part in range(PARTS)
)  # fmt: skip
SNAPSHOT: Final[tuple[Any, ...]] = (
    DIVIDED,
    WHOLE,
    *INSTANCES,
    GpuLink(identity=WHOLE.identity, reading=LinkReading(link=1, active=1, rx_kibibytes=2_776, tx_kibibytes=3_539)),
    *(
        GpuEcc(
            identity=WHOLE.identity, reading=EccReading(location=block, corrected=kind, life="volatile", errors=count)
        )
        for block, kind, count in (
            ("umc", "corrected", 3), ("umc", "uncorrected", 0), ("pcie_bif", "corrected", 4), ("umc", "deferred", 1),
        )
    ),
    GpuProcess(
        identity=WHOLE.identity,
        reading=ProcessReading(
            pid=71, type="compute", memory_used_bytes=GIB, gtt_used_bytes=MIB, compute_units_used=152,
            sdma_microseconds=2_500_000, engine_ns={"gfx": 1_500_000_000}, name="python", user="ada",
        ),
    ),
    GpuHealth(identity=WHOLE.identity, component="all", state="warning", value=1),
    GpuHealth(identity=DIVIDED.identity, component="all", state="critical", value=2),
    GpuSource(vendor="amd", kind="sysfs", state="ok", driver_version="6.12.12", gpus=2, hung_calls=1),
    DroppedReadings(vendor="amd", kind="power", count=2),
    DroppedReadings(vendor="amd", kind="counter", count=3),
    GpuSampling(samples=5, failures=1, timed=4, seconds=0.0125, newest_seconds=1_760_000_000.0),
)  # fmt: skip
