"""What the rules on GPUs look at: fields of the reading, and what is worked out from several of them.

An input that cannot be worked out is absent. Texts among them are for sentences and evidence only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple

from nodescope.devices.nvidia.throttle import REASONS
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuLink, GpuSource

MAX_TEXT: Final = 200
MAX_NAMED: Final = 8
"""How many links or places are named in a sentence."""

LEAST_LIMIT_CELSIUS: Final = 40
"""A limit below is not a temperature: newer boards tell how far from it they are (T.Limit)."""

FABRIC_PENDING: Final = frozenset({1, 2})
FABRIC_COMPLETED: Final = 3
FABRIC_HEALTH: Final[tuple[tuple[str, int, int], ...]] = (
    ("fabric_degraded_bandwidth", 0, 0x3),
    ("fabric_route_recovery", 2, 0x3),
    ("fabric_route_unhealthy", 4, 0x3),
    ("fabric_access_timeout_recovery", 6, 0x3),
    ("fabric_incorrect_configuration", 8, 0xF),
)
"""Parts of the fabric's health mask: name, shift, bits (nvml.h, NVML_GPU_FABRIC_HEALTH_MASK_*)."""

RECOVERY_STATUSES: Final = (("reset_status", 1), ("drain_and_reset_status", 4))
"""The driver's own fields, and the recovery action that each stands for (nvml.h, nvmlDeviceGpuRecoveryAction_t)."""

SLOWDOWNS: Final = ("hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown", "hw_slowdown")
RESET_COMMANDS: Final = {"nvidia": "nvidia-smi --gpu-reset -i {uuid}"}
TELL_SENSORS: Final = frozenset({"nvidia", "amd"})
"""Vendors whose every GPU has sensors of temperature, power and its PCIe link: it is a fault where they say nothing."""

OF_OTHER_DIE: Final = "power_of_other_die"
"""The driver's field of a GPU whose power another die of its board measures, as of MI250's second one."""

ASLEEP: Final = "suspended"
"""How the reason begins of a GPU that its driver has put to sleep, and that nobody wakes for a reading."""

OTHER_RESET: Final = "reset it with its vendor's tool"

VENDOR_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "nvidia": {
        "tool": "nvidia-smi",
        "logged": "an XID",
        "log_name": "NVRM",
        "reader": "a user who may open /dev/nvidia*",
    },
    "amd": {"tool": "amd-smi", "logged": "amdgpu", "log_name": "amdgpu", "reader": "root"},
    "intel": {"tool": "xpu-smi", "logged": "i915 or xe", "log_name": "i915 or xe", "reader": "root"},
}
"""What actions say of a vendor: its tool, what to look for in the kernel log of a GPU and of the driver, who may read
its GPUs."""


class Inputs:
    """Looks an input up: what was worked out, then the reading's field, then the driver's own field."""

    def __init__(self, reading: GpuReading, derived: Mapping[str, Any]) -> None:
        self._reading = reading
        self._derived = derived

    def __call__(self, name: str) -> Any:
        found = self._derived.get(name)
        if found is None:
            found = getattr(self._reading, name, None)
            if found is None:
                found = self._reading.driver_fields.get(name)
        return found


def derived(
    gpu: Gpu, links: Sequence[GpuLink], eccs: Sequence[GpuEcc], nvlinks: Mapping[str, Any], pcie_busy_percent: float
) -> dict[str, Any]:
    """All that one GPU's records say at this moment. `nvlinks`: of `nvlink_inputs`."""
    reading = gpu.reading
    found: dict[str, Any] = {
        **_identity(gpu),
        **_pcie(reading, pcie_busy_percent),
        **_memory(reading, eccs),
        **_temperatures(reading),
        **_slowdowns(reading.throttle_reasons),
        **_fabric(reading),
        **_recovery(reading),
        **nvlinks,
    }
    if links:
        found["nvlink_worst"] = _worst(links)
    return found


def source_inputs(source: GpuSource | None) -> dict[str, Any]:
    """Of what the readings come from."""
    if source is None:
        return {}
    words = VENDOR_WORDS.get(source.vendor, {})
    return {"source_state": source.state, "source_reason": source.reason[:MAX_TEXT] or None, **words}


def nvlink_inputs(gpu: Gpu, links: Sequence[GpuLink], before: int, siblings: int | None) -> dict[str, Any]:
    """How many links are up and how many should be: as many as ever before, as most siblings have, or on a fabric all.

    A GPU without links, one whose links never were up and one that is partitioned (MIG) has none to miss.
    """
    known = [link.reading for link in links if link.reading.active is not None]
    if not known or gpu.reading.mig_mode == 1:
        return {}
    active = sum(link.active == 1 for link in known)
    all_of_fabric = len(known) if gpu.reading.fabric_state == FABRIC_COMPLETED else 0
    expected, by = max(
        (before, "before"), (siblings or 0, "siblings"), (all_of_fabric, "fabric"), key=lambda one: one[0]
    )
    expected = min(expected, len(known))
    found: dict[str, Any] = {"nvlinks_active": active, "nvlinks_expected": expected}
    if expected > active:
        down = [link.link for link in known if link.active != 1]
        found |= {"nvlinks_expected_by": by, "nvlinks_down": _named(down)}
        found |= {"nvlinks_missing": expected - active} if active else {"nvlinks_all_down": 1}
    return found


def _identity(gpu: Gpu) -> dict[str, Any]:
    identity = gpu.identity
    reset = RESET_COMMANDS.get(identity.vendor, OTHER_RESET).format(uuid=identity.uuid)
    tells_sensors = identity.vendor in TELL_SENSORS and not gpu.reason.startswith(ASLEEP)
    found: dict[str, Any] = {
        **VENDOR_WORDS.get(identity.vendor, {}),
        "uuid": identity.uuid,
        "pci_address": identity.pci_address,
        "reset_command": reset,
        "state": gpu.state,
        "state_reason": gpu.reason[:MAX_TEXT] or None,
        "age_seconds": gpu.age_seconds,
        "tells_sensors": int(tells_sensors),
        "tells_power": int(tells_sensors and not gpu.reading.driver_fields.get(OF_OTHER_DIE)),
        "tells_throttle_reasons": int(identity.vendor == "nvidia"),
    }
    if gpu.state == "ok" and not gpu.up:
        found["stale"] = 1
    return found


def _recovery(reading: GpuReading) -> dict[str, Any]:
    """What the driver asks for, of drivers before 570, which tell it as two answers of yes or no."""
    if reading.recovery_action is not None:
        return {}
    asked = (action for name, action in RECOVERY_STATUSES if reading.driver_fields.get(name) == 1)
    return {"recovery_action": next(asked, None)}


def _pcie(reading: GpuReading, busy_percent: float) -> dict[str, Any]:
    slot = reading.driver_fields.get
    width, widest = reading.pcie_width_lanes, _least(reading.pcie_max_width_lanes, slot("pcie_slot_width_lanes"))
    generation, highest = reading.pcie_generation, _least(reading.pcie_max_generation, slot("pcie_slot_generation"))
    found: dict[str, Any] = {"pcie_max_width_lanes": widest, "pcie_max_generation": highest}
    if width and widest:
        found["pcie_width_percent"] = 100 * width / widest
    busy = reading.utilization_percent
    # An idle link goes to a lower generation to save power.
    if generation and highest and busy is not None and busy >= busy_percent:
        found["pcie_missing_generations"] = highest - generation
    return found


def _least(own: float | None, slot: float | None) -> float | None:
    """What a link can be at most: of AMD's GPUs it is told apart what they can and what the slot can."""
    return own if own is None or slot is None else min(own, slot)


def _memory(reading: GpuReading, eccs: Sequence[GpuEcc]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pages = [
        count for count in (reading.retired_pages_corrected, reading.retired_pages_uncorrected) if count is not None
    ]
    if pages:
        found["retired_pages"] = sum(pages)
    lost = [ecc.reading for ecc in eccs if ecc.reading.corrected == "uncorrected" and ecc.reading.life == "volatile"]
    if reading.ecc_uncorrected_volatile_errors is None and lost:
        found["ecc_uncorrected_volatile_errors"] = sum(one.errors for one in lost)
    places = [f"{one.location[:MAX_TEXT]}:{one.errors}" for one in lost if one.errors]
    if places:
        found["ecc_uncorrected_locations"] = " ".join(places[:MAX_NAMED])
    return found


def _temperatures(reading: GpuReading) -> dict[str, Any]:
    heat = min(_sensors(reading), key=_Heat.left)
    found: dict[str, Any] = {}
    for name, value, limit in (
        ("temperature_to_slowdown_celsius", heat.celsius, heat.slowdown),
        ("temperature_to_shutdown_celsius", heat.celsius, heat.shutdown),
        (
            "memory_temperature_to_limit_celsius",
            reading.memory_temperature_celsius,
            reading.memory_temperature_max_operating_celsius,
        ),
    ):
        if value is not None and limit is not None and limit >= LEAST_LIMIT_CELSIUS:
            found[name] = limit - value
    told = {
        "heat_celsius": heat.celsius,
        "heat_slowdown_celsius": heat.slowdown,
        "heat_shutdown_celsius": heat.shutdown,
    }
    return found | {name: value for name, value in told.items() if value is not None}


class _Heat(NamedTuple):
    """What a sensor reads, and from where on the GPU is slow, and off."""

    celsius: float | None
    slowdown: float | None
    shutdown: float | None

    def left(self) -> float:
        """How far the nearest limit is."""
        limits = [one for one in (self.slowdown, self.shutdown) if one is not None and one >= LEAST_LIMIT_CELSIUS]
        return min(limits, default=inf) - (self.celsius or 0)


def _sensors(reading: GpuReading) -> tuple[_Heat, ...]:
    """The GPU's own, and AMD's of the junction, which is far hotter than the edge and has limits of its own."""
    told = reading.driver_fields.get
    own = _Heat(reading.temperature_celsius, reading.temperature_slowdown_celsius, reading.temperature_shutdown_celsius)
    junction = reading.junction_temperature_celsius
    if junction is None:
        return (own,)
    return own, _Heat(junction, *(told(f"junction_temperature_{limit}_celsius") for limit in ("crit", "emergency")))


def _slowdowns(mask: int | None) -> dict[str, Any]:
    if mask is None:
        return {}
    found = {name: int(mask & REASONS[name] != 0) for name in SLOWDOWNS}
    explained = found["hw_thermal_slowdown"] or found["hw_power_brake_slowdown"]
    return {**found, "hw_slowdown_unexplained": int(found["hw_slowdown"] and not explained)}


def _fabric(reading: GpuReading) -> dict[str, Any]:
    """A partitioned GPU (MIG) takes no part in a fabric."""
    state = reading.fabric_state
    if not state or reading.mig_mode == 1:
        return {}
    found: dict[str, Any] = {"fabric_pending": int(state in FABRIC_PENDING)}
    if state == FABRIC_COMPLETED:
        found["fabric_failed"] = int(bool(reading.fabric_status))
        mask = reading.fabric_health_mask
        if mask is not None:
            found |= {name: mask >> shift & bits for name, shift, bits in FABRIC_HEALTH}
    return found


def _worst(links: Iterable[GpuLink]) -> str | None:
    """The link with most errors since the driver was loaded."""
    errors = {
        link.reading.link: sum(
            count or 0
            for count in (
                link.reading.recovery_errors,
                link.reading.replay_errors,
                link.reading.crc_data_errors,
                link.reading.crc_flit_errors,
                link.reading.ecc_data_errors,
            )
        )
        for link in links
    }
    worst = max(errors, key=lambda number: errors[number])
    return f"link {worst}: {errors[worst]} errors" if errors[worst] else None


def _named(links: Sequence[int]) -> str:
    more = f" and {len(links) - MAX_NAMED} more" if len(links) > MAX_NAMED else ""
    return ("link " if len(links) == 1 else "links ") + " ".join(map(str, links[:MAX_NAMED])) + more
