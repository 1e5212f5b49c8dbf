"""Records of GPUs in a snapshot, the same for every vendor: what was read, of which GPU, and what follows from it."""

from __future__ import annotations

import msgspec

from nodescope.records.gpu import (
    EccReading,
    GpuIdentity,
    GpuReading,
    InstanceIdentity,
    InstanceReading,
    LinkReading,
    ProcessReading,
)


class Spread(msgspec.Struct, frozen=True):
    """Least, greatest and mean of a quantity over the window."""

    min: float
    max: float
    mean: float


class GpuWindow(msgspec.Struct, frozen=True, kw_only=True):
    """How what moves fast has moved in the last `seconds`, from all samples in them. None: no sample."""

    seconds: float = 0.0
    samples: int = 0
    utilization_percent: Spread | None = None
    memory_used_bytes: Spread | None = None
    power_milliwatts: Spread | None = None
    temperature_celsius: Spread | None = None
    clock_sm_megahertz: Spread | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU in a snapshot. `up`: 1 where it answers. `age_seconds`: of the reading, None where there is none.

    Where the reading is too old it is empty; identity, state, `up` and age stay. `processes_told`: whether it is known
    who uses it.
    """

    identity: GpuIdentity
    state: str
    reason: str
    up: int
    age_seconds: float | None = None
    reading: GpuReading = GpuReading()
    window: GpuWindow = GpuWindow()
    processes_told: bool = True


class GpuInstance(msgspec.Struct, frozen=True, kw_only=True):
    """A partition in a snapshot. `identity`: of the GPU it is a part of; `gpu`: that GPU, for what is not divided.

    `first`: 1 for the first compute instance of its GPU instance, which stands for what they share; else 0.
    """

    identity: GpuIdentity
    instance: InstanceIdentity
    gpu: Gpu
    first: int
    reading: InstanceReading

    @property
    def shared(self) -> InstanceReading | None:
        """The reading, of the one partition that stands for what its GPU instance shares: a sum has it once."""
        return self.reading if self.first else None


class GpuLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link of a GPU in a snapshot."""

    identity: GpuIdentity
    reading: LinkReading


class GpuEcc(msgspec.Struct, frozen=True, kw_only=True):
    """ECC errors of a GPU at one place, in a snapshot."""

    identity: GpuIdentity
    reading: EccReading


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a GPU, in a snapshot. `instance`: the partition it runs in."""

    identity: GpuIdentity
    reading: ProcessReading
    instance: InstanceIdentity | None = None


class GpuThrottle(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one reason holds a GPU's clocks down right now. `reason`: "sw_power_cap", "hw_thermal_slowdown" ...

    `active`: 1 or 0. `window_count`: in how many samples of the last five minutes it did, None where not counted.
    `begun_count`: how often it has begun to since this agent's start, None where not counted.
    """

    identity: GpuIdentity
    reason: str
    active: int
    window_count: int | None = None
    begun_count: int | None = None


class XidCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one XID was seen on a GPU, kept across restarts. `xid_class`, `severity`: of the catalogue.

    `last`: 1 for the newest XID of its GPU, else 0. `window_count`: those in the last five minutes.
    `fatal_seen_seconds`: when the kernel log last called one fatal, of those whose catalogue's severity is "subcode".
    `gpu_reset_seconds`: when the GPU was last reset, Unix time, or a moment before; None where that was not seen.
    """

    identity: GpuIdentity
    xid: int
    xid_class: str
    severity: str
    count: int
    last_seen_seconds: float
    last: int = 0
    window_count: int = 0
    fatal_seen_seconds: float | None = None
    gpu_reset_seconds: float | None = None


class GpuHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one component of a GPU. `state`: "ok", "warning", "critical" or "unknown".

    `value`: 0 ok, 1 warning, 2 critical, 3 unknown. `evidence`: what was read, in numbers; `action`: what to do.
    """

    identity: GpuIdentity
    component: str
    state: str
    value: int
    reason: str = ""
    evidence: str = ""
    action: str = ""


class GpuSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where the readings of a vendor's GPUs come from, and how it fares. One in each snapshot.

    `kind`: "nvml", "nvidia-smi", "sysfs", "amd-smi", "rocm-smi", "simulated". `state`: "ok", "starting", "paused",
    "failed", "abandoned". `reason`: why it is not ok. `interval_seconds`: the least time between two samples, where the
    source sets it. `sample_seconds`: how long the newest round of readings took, None where the source does not measure
    it; it is the round of that number, `rounds`. `generation`: of the inventory. `failed_runs`: of a tool, those that
    hung left out. Counters are since this agent's start.
    """

    vendor: str
    kind: str
    state: str
    reason: str = ""
    driver_version: str | None = None
    library_version: str | None = None
    cuda_version: str | None = None
    interval_seconds: float = 0.0
    sample_seconds: float | None = None
    rounds: int = 0
    generation: int = 0
    gpus: int = 0
    starts: int = 0
    hung_calls: int = 0
    failed_runs: int = 0
    abandoned: int = 0


class MissedXids(msgspec.Struct, frozen=True, kw_only=True):
    """What may have cost XIDs their count since the start, by kind.

    "overwritten": records of the kernel log that were gone before they were read, or could not be taken; "malformed":
    lines of the driver there that are no records; "uncounted": XIDs of more GPUs or kinds than there is room for, or of
    no known device.
    """

    vendor: str
    kind: str
    count: int


class DroppedReadings(msgspec.Struct, frozen=True, kw_only=True):
    """How many readings were out of range since the start, by kind ("temperature", "utilization", "memory" ...)."""

    vendor: str
    kind: str
    count: int
