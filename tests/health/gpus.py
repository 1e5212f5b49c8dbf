"""GPUs in good order, to be altered by tests, and what judges them by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from nodescope.health.gpu import GpuHealthRules
from nodescope.records.gpu import EccReading, GpuIdentity, GpuReading, LinkReading
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuHealth, GpuLink, GpuSource, XidCount

NO_COUNTERS: Final[dict[str, Any]] = {}
EPOCH: Final = 1_750_000_000.0
BOOTED: Final = EPOCH - 7 * 86400
SOURCE: Final = GpuSource(vendor="nvidia", kind="nvml", state="ok")
READING: Final[Mapping[str, Any]] = {
    "utilization_percent": 5,
    "memory_utilization_percent": 1,
    "temperature_celsius": 60,
    "temperature_margin_celsius": 27,
    "temperature_slowdown_celsius": 89,
    "temperature_shutdown_celsius": 94,
    "memory_temperature_celsius": 70,
    "memory_temperature_max_operating_celsius": 95,
    "power_milliwatts": 300_000,
    "power_limit_enforced_milliwatts": 700_000,
    "energy_millijoules": 10**9,
    "clock_sm_megahertz": 1900,
    "throttle_reasons": 0,
    "thermal_violation_ns": 0,
    "pcie_generation": 5,
    "pcie_max_generation": 5,
    "pcie_width_lanes": 16,
    "pcie_max_width_lanes": 16,
    "pcie_replays": 0,
    "ecc_mode": 1,
    "ecc_corrected_volatile_errors": 0,
    "ecc_uncorrected_volatile_errors": 0,
    "ecc_corrected_aggregate_errors": 3,
    "ecc_uncorrected_aggregate_errors": 1,
    "remapped_rows_corrected": 0,
    "remapped_rows_uncorrected": 0,
    "remapped_rows_pending": 0,
    "remapped_rows_failure": 0,
    "remap_banks_max": 3072,
    "remap_banks_low": 0,
    "remap_banks_none": 0,
    "recovery_action": 0,
    "mig_mode": 0,
    "fabric_state": 3,
    "fabric_status": 0,
    "fabric_health_mask": 0,
}


def identity(number: int = 0, model: str = "NVIDIA H200") -> GpuIdentity:
    return GpuIdentity(
        vendor="nvidia",
        uuid=f"GPU-{number}",
        index=number,
        pci_address=f"0000:{number + 16:x}:00.0",
        model=model,
        inforom_image_version="G520.0280.02.02",
    )


def gpu(number: int = 0, state: str = "ok", reason: str = "", model: str = "NVIDIA H200", **reading: Any) -> Gpu:
    """A GPU that reads what `READING` has, but for `reading`."""
    return Gpu(
        identity=identity(number, model),
        state=state,
        reason=reason,
        up=int(state == "ok"),
        age_seconds=0.5,
        reading=GpuReading(**{**READING, **reading}),
    )


def unread(number: int = 0, state: str = "ok", reason: str = "") -> Gpu:
    """A GPU of which there is no reading."""
    return msgspec.structs.replace(gpu(number, state, reason), up=0, age_seconds=99.0, reading=GpuReading())


def links(number: int = 0, down: Sequence[int] = (), total: int = 18, **counters: Any) -> list[GpuLink]:
    """The NVLinks of a GPU; `counters` are those of link 3."""
    return [
        GpuLink(
            identity=identity(number),
            reading=LinkReading(link=link, active=int(link not in down), **(counters if link == 3 else NO_COUNTERS)),
        )
        for link in range(total)
    ]


def ecc(number: int = 0, location: str = "dram", errors: int = 1) -> GpuEcc:
    """Uncorrected errors since the driver was loaded."""
    reading = EccReading(location=location, corrected="uncorrected", life="volatile", errors=errors)
    return GpuEcc(identity=identity(number), reading=reading)


def xid(
    xid: int,
    xid_class: str,
    severity: str,
    last_seen_seconds: float = EPOCH,
    number: int = 0,
    fatal_seen_seconds: float | None = None,
    gpu_reset_seconds: float | None = None,
) -> XidCount:
    return XidCount(
        identity=identity(number),
        xid=xid,
        xid_class=xid_class,
        severity=severity,
        count=2,
        last_seen_seconds=last_seen_seconds,
        fatal_seen_seconds=fatal_seen_seconds,
        gpu_reset_seconds=gpu_reset_seconds,
    )


class Judge:
    """`GpuHealthRules` at a time that stands still until `after` moves it."""

    def __init__(self, **thresholds: float) -> None:
        self.seconds = 1000.0
        self.rules = GpuHealthRules(thresholds, lambda: self.seconds, lambda: EPOCH + self.seconds - 1000.0, BOOTED)

    def after(self, seconds: float) -> Judge:
        self.seconds += seconds
        return self

    def verdicts(self, *gpus: Gpu, **records: Any) -> dict[tuple[str, str], GpuHealth]:
        """By GPU's UUID and component. `records`: links, eccs, xids, source."""
        given = {"links": (), "eccs": (), "xids": (), "source": SOURCE, **records}
        found = self.rules.examined(gpus, given["links"], given["eccs"], given["xids"], given["source"])
        assert len({(one.identity.uuid, one.component) for one in found}) == len(found)
        return {(one.identity.uuid, one.component): one for one in found}

    def of(self, component: str, *gpus: Gpu, **records: Any) -> GpuHealth:
        """The verdict on a component of the first GPU."""
        return self.verdicts(*gpus, **records)[gpus[0].identity.uuid, component]
