"""Snapshots of GPUs as a sampler gives them, for the collectors that show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from nodescope.collector import Collector
from nodescope.devices.nvidia.throttle import throttles
from nodescope.exposition.text import TextEncoder
from nodescope.records.gpu import (
    EccReading,
    GpuIdentity,
    GpuReading,
    InstanceIdentity,
    InstanceReading,
    LinkReading,
    ProcessReading,
)
from nodescope.records.gpu_snapshot import (
    DroppedReadings,
    Gpu,
    GpuEcc,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
    GpuWindow,
    MissedXids,
    Spread,
    XidCount,
)
from nodescope.sampling import SamplerLoop

DEADLINE_S: Final = 20.0
MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
EMPTY: Final = GpuReading()


class Told:
    """A sampler that says what it is told."""

    name: ClassVar[str] = "gpu"
    interval_s: float = 3600.0
    rest_s: float = 3600.0
    demand_wait_s: float = 0.0

    def __init__(self, *records: Any) -> None:
        self.records = records

    def sample(self) -> tuple[Any, ...]:
        return self.records

    def close(self) -> None: ...


@contextmanager
def loop_of(*records: Any) -> Iterator[SamplerLoop]:
    """A loop whose newest snapshot has `records`."""
    loop = SamplerLoop(Told(*records))
    try:
        assert loop.first(time.monotonic() + DEADLINE_S)
        yield loop
    finally:
        loop.stop()


def shown(collector: Callable[[SamplerLoop], Collector], *records: Any) -> str:
    """The text of what a collector makes of `records`."""
    with loop_of(*records) as loop:
        encoder = TextEncoder()
        text = encoder.encode(collector(loop).collect()).decode()
        assert (encoder.duplicates, encoder.mislabelled) == ([], [])
        return text


def identity(index: int = 0, **changes: Any) -> GpuIdentity:
    fields = {
        "vendor": "nvidia",
        "uuid": f"GPU-{index}",
        "index": index,
        "minor": index,
        "pci_address": f"0000:{0x18 + index:02x}:00.0",
        "device": f"nvidia{index}",
        "model": "NVIDIA H200",
        "driver_version": "570.124.06",
    }
    return GpuIdentity(**{**fields, **changes})


def gpu(index: int = 0, reading: GpuReading = EMPTY, **changes: Any) -> Gpu:
    fields: dict[str, Any] = {
        "identity": identity(index),
        "state": "ok",
        "reason": "",
        "up": 1,
        "age_seconds": 0.5,
        "reading": reading,
    }
    return Gpu(**{**fields, **changes})


def instance(whole: Gpu, slot: int, first: int = 1, **reading: Any) -> GpuInstance:
    uuid = f"MIG-{whole.identity.index}-{slot}"
    what = InstanceIdentity(
        gpu_uuid=whole.identity.uuid,
        uuid=uuid,
        index=slot,
        gpu_instance_id=slot // 2 + 7,
        compute_instance_id=slot % 2,
        profile="1g.18gb",
        multiprocessors=16,
    )
    return GpuInstance(
        identity=whole.identity, instance=what, gpu=whole, first=first, reading=InstanceReading(uuid=uuid, **reading)
    )


READING: Final = GpuReading(
    utilization_percent=97,
    memory_utilization_percent=40,
    encoder_utilization_percent=0,
    memory_total_bytes=141 * GIB,
    memory_used_bytes=100 * GIB,
    memory_free_bytes=40 * GIB - 1,
    memory_reserved_bytes=1 * GIB,
    bar1_used_bytes=4 * MIB,
    temperature_celsius=60,
    memory_temperature_celsius=70,
    temperature_slowdown_celsius=89,
    temperature_shutdown_celsius=95,
    power_milliwatts=650_250,
    power_limit_milliwatts=700_900,
    energy_millijoules=12_345_678_901,
    clock_sm_megahertz=1980,
    clock_memory_megahertz=3201,
    clock_max_sm_megahertz=1980,
    power_violation_ns=1_500_000_000,
    performance_state=0,
    fan_speed_percent=50,
    pcie_generation=5,
    pcie_tx_bytes=1_000_000,
    pcie_rx_bytes=2_000_000,
    pcie_tx_kilobytes_per_second=12.5,
    nvlink_megabytes_per_second=1234.75,
    ecc_corrected_volatile_errors=3,
    ecc_uncorrected_volatile_errors=0,
    remapped_rows_failure=0,
    compute_mode=3,
    mig_mode=0,
    driver_fields={"c2c_link_count": 0},
    profiling={"sm_util": 93.5, "sm_occupancy": 25.0, "graphics_util": 100.0, "pcie_tx_per_sec": 1.5},
)
WHOLE: Final = gpu(
    0,
    READING,
    window=GpuWindow(seconds=30, samples=30, power_milliwatts=Spread(500_000, 700_000, 650_000.5)),
)
DIVIDED: Final = gpu(1, GpuReading(temperature_celsius=41, power_milliwatts=210_000, mig_mode=1))
INSTANCES: Final = (
    instance(DIVIDED, 0, memory_used_bytes=5 * GIB + 1, memory_total_bytes=18 * GIB, profiling={"sm_util": 50.0}),
    instance(DIVIDED, 1, 0, memory_used_bytes=5 * GIB + 1, memory_total_bytes=18 * GIB),
    instance(DIVIDED, 2, memory_used_bytes=0, memory_total_bytes=18 * GIB),
)
LOST: Final = gpu(2, state="lost", reason="it no longer answers", up=0, age_seconds=None)
SNAPSHOT: Final[tuple[Any, ...]] = (
    WHOLE,
    DIVIDED,
    LOST,
    *INSTANCES,
    GpuLink(
        identity=WHOLE.identity,
        reading=LinkReading(
            link=3, active=1, version="4.0", remote_type="switch", tx_kibibytes=10, replay_errors=2,
            throughput_megabytes_per_second=70.9,
        ),
    ),
    GpuEcc(
        identity=WHOLE.identity, reading=EccReading(location="dram", corrected="corrected", life="volatile", errors=3)
    ),
    *throttles(WHOLE.identity, 0x4),
    GpuProcess(
        identity=WHOLE.identity,
        reading=ProcessReading(
            pid=71, type="compute", memory_used_bytes=99 * GIB, sm_utilization_percent=90, name="python", user="ada"
        ),
    ),
    GpuProcess(
        identity=WHOLE.identity, reading=ProcessReading(pid=72, type="compute", memory_used_bytes=1 * GIB, user="ada")
    ),
    XidCount(
        identity=WHOLE.identity, xid=94, xid_class="memory", severity="error", count=2, last_seen_seconds=1.7e9,
        last=1, window_count=1,
    ),
    GpuHealth(identity=WHOLE.identity, component="memory", state="warning", value=1),
    GpuHealth(identity=WHOLE.identity, component="thermal", state="ok", value=0),
    GpuHealth(identity=LOST.identity, component="device", state="critical", value=2),
    GpuSource(vendor="nvidia", kind="nvml", state="ok", driver_version="570.124.06", gpus=3, starts=1, generation=4),
    DroppedReadings(vendor="nvidia", kind="temperature", count=5),
    MissedXids(vendor="nvidia", kind="overwritten", count=12),
)  # fmt: skip
