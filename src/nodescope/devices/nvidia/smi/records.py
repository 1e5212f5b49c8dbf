"""What nvidia-smi said -> the records that the library's child gives: identities, MIG devices, reports.

A GPU without a UUID, or with that of another, has its PCI address in its place. A MIG device that `nvidia-smi -L` does
not list has an id of the form that drivers before 470 used: MIG-<UUID of the GPU>/<GPU instance>/<compute instance>.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec

from nodescope.devices.nvidia.smi.ecc import ecc_errors, ecc_totals
from nodescope.devices.nvidia.smi.field import number, numbers, written
from nodescope.devices.nvidia.smi.fields import DRIVER_FIELDS, READING
from nodescope.devices.nvidia.smi.instance_fields import (
    ATTACHED,
    BOARD_PART,
    DRAIN_RECOMMENDED,
    DRIVER,
    GPU_PART,
    IDENTITY,
    INSTANCE,
    INSTANCE_IDENTITY,
    MINOR,
    PCI_ADDRESS,
    PCI_IDS,
    PROCESS,
    PROCESS_MEMORY,
    PROCESS_TYPE,
    RESET_REQUIRED,
)
from nodescope.devices.nvidia.smi.log import MAX_GPUS, GpuLog, Log, Values, kernel_address
from nodescope.devices.nvidia.smi.states import fabric_health_mask, throttle_reasons
from nodescope.devices.nvidia.smi.text import Listing
from nodescope.devices.nvidia.smi.values import DENIED, FAILED, LOST, RESET, Decoder, word
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity, InstanceReading, ProcessReading

VENDOR: Final = "nvidia"
NO_LISTING: Final = Listing({}, {})
FABRIC_COMPLETED: Final = 3
"""The fabric's status means something in this state alone (nvmlGpuFabricInfo_t)."""

DRAIN_AND_RESET: Final = 4
"""Of nvmlDeviceGpuRecoveryAction_t."""

ALIVE: Final = (
    "temperature_celsius",
    "utilization_percent",
    "power_milliwatts",
    "clock_sm_megahertz",
    "performance_state",
)
"""A GPU of which one of these is known answers."""

_ALIVE_FIELDS: Final = tuple(field for field in READING if field.name in ALIVE)

REASONS: Final = {
    "lost": "nvidia-smi says that the GPU is lost: restart the machine",
    "reset_required": "nvidia-smi says that the GPU requires a reset: end what uses it and run nvidia-smi --gpu-reset",
    "denied": "nvidia-smi may not read the GPU: run as root, or give access to its device nodes",
    "failed": "nvidia-smi has errors in place of the GPU's readings: see the kernel log for NVRM",
}
_SPOKEN: Final = (("lost", LOST), ("reset_required", RESET), ("denied", DENIED), ("failed", FAILED))
_KINDS: Final = {"c": "compute", "m": "compute", "g": "graphics"}
"""M is a client of MPS, which computes."""

_PROCESSES: Final = "processes"
_NO_PROCESS: Final = frozenset({"", "none"})
"""What is written of processes where none is there; any other word says that they are not told."""

_PCI_ID: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{8})")


class Told(NamedTuple):
    """All that was said of one GPU."""

    identity: GpuIdentity
    instances: tuple[InstanceIdentity, ...]
    report: GpuReport


def driver_versions(log: Log) -> dict[str, str]:
    """`driver_version` and `cuda_version`, where they are told. Driver 610 writes advice in brackets behind them."""
    said = ((field.name, written(log.values, field, log.form)) for field in DRIVER)
    return {name: version.partition(" [")[0].strip() for name, version in said if version is not None}


def attached_gpus(log: Log) -> int:
    """How many GPUs there are, told of or not; 0 where that is not said."""
    return min(int(number(log.values, ATTACHED, log.form, Decoder()) or 0), MAX_GPUS)


def told(log: Log, listing: Listing, now: float) -> tuple[Told, ...]:
    """Every GPU of a log. `now`: when it was written, CLOCK_MONOTONIC."""
    complete = attached_gpus(log) in (0, len(log.gpus))
    versions = driver_versions(log)
    found: dict[str, Told] = {}
    for position, gpu in enumerate(log.gpus):
        identity = _identity(gpu, log.form, versions)
        if identity.uuid in found:
            identity = msgspec.structs.replace(identity, uuid=identity.pci_address or gpu.address)
        index = listing.indices.get(identity.uuid, position if complete else None)
        one = _told(msgspec.structs.replace(identity, index=index), gpu, log.form, listing, now)
        found.setdefault(identity.uuid, one)
    return tuple(found.values())


def _told(identity: GpuIdentity, gpu: GpuLog, form: str, listing: Listing, now: float) -> Told:
    decoder = Decoder()
    read: dict[str, tuple[InstanceIdentity, InstanceReading]] = {}
    for values in gpu.instances:
        instance = _instance(identity.uuid, values, form, listing, decoder)
        if instance is None or instance[0].uuid in read:
            decoder.left_out += 1
        else:
            read[instance[0].uuid] = instance
    instances = tuple(instance for instance, _ in read.values())
    slots = {(one.gpu_instance_id, one.compute_instance_id): one.uuid for one in instances}
    processes = tuple(_process(values, form, slots, decoder) for values in gpu.processes)
    reading, ecc = _reading(gpu.values, form, decoder)
    state = _state(gpu.values, form, reading, number(gpu.values, RESET_REQUIRED, form, decoder))
    report = GpuReport(
        uuid=identity.uuid,
        state=state,
        reason=REASONS.get(state, ""),
        sampled_monotonic_seconds=now,
        left_out=decoder.left_out + processes.count(None),
        reading=GpuReading(**_believed(reading, state)),
        ecc=ecc,
        processes=tuple(process for process in processes if process is not None),
        processes_told=bool(gpu.processes) or word(gpu.values.get(_PROCESSES, "")) in _NO_PROCESS,
        instances=tuple(instance for _, instance in read.values()),
    )
    return Told(identity, instances, report)


def _identity(gpu: GpuLog, form: str, versions: dict[str, str]) -> GpuIdentity:
    texts = ((field.name, written(gpu.values, field, form)) for field in IDENTITY)
    known: dict[str, Any] = versions | {name: value for name, value in texts if value is not None}
    address = kernel_address(gpu.address) or kernel_address(written(gpu.values, PCI_ADDRESS, form) or "")
    minor = number(gpu.values, MINOR, form, Decoder())
    if minor is not None:
        known |= {"minor": int(minor), "device": f"nvidia{int(minor)}"}
    for field in PCI_IDS:
        if found := _PCI_ID.fullmatch(written(gpu.values, field, form) or ""):
            known[field.name] = f"0x{found[1].upper()}"
    has_board = any(paths[0] in gpu.values for paths in BOARD_PART.paths(form))
    known["part_number"] = written(gpu.values, BOARD_PART if has_board else GPU_PART, form)
    known.setdefault("uuid", address or gpu.address)
    return GpuIdentity(vendor=VENDOR, pci_address=address, **known)


def _reading(values: Values, form: str, decoder: Decoder) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Fields of `GpuReading`, and the errors by place."""
    known: dict[str, Any] = numbers(values, READING, form, decoder)
    if known.get("fabric_state") != FABRIC_COMPLETED:
        known.pop("fabric_status", None)
    if "recovery_action" not in known and number(values, DRAIN_RECOMMENDED, form, decoder):
        known["recovery_action"] = DRAIN_AND_RESET
    ecc = ecc_errors(values, form, decoder)
    known |= ecc_totals(values, form, ecc, decoder)
    known["throttle_reasons"] = throttle_reasons(values, form, decoder)
    known["fabric_health_mask"] = fabric_health_mask(values, form, decoder)
    known["driver_fields"] = numbers(values, DRIVER_FIELDS, form, decoder)
    return known, ecc


def _state(values: Values, form: str, reading: dict[str, Any], reset_required: int | float | None) -> str:
    """Errors are written in the place of values: that of a lost GPU in each, others in some. One that is not known is
    an error all the same where it stands in all of those that say that a GPU answers."""
    said = {word(value) for value in values.values()}
    spoken = [state for state, words in _SPOKEN if said & words]
    if "lost" in spoken:
        return "lost"
    if "reset_required" in spoken or reset_required:
        return "reset_required"
    if any(reading.get(name) is not None for name in ALIVE):
        return "ok"
    decoder = Decoder()
    numbers(values, _ALIVE_FIELDS, form, decoder)
    return spoken[0] if spoken else "failed" if decoder.left_out else "ok"


def _believed(reading: dict[str, Any], state: str) -> dict[str, Any]:
    """A GPU that needs a reset says that no memory is used, where it should say that it does not know."""
    if state == "ok" or reading.get("memory_used_bytes") != 0:
        return reading
    return {name: value for name, value in reading.items() if name not in ("memory_used_bytes", "memory_free_bytes")}


def _instance(
    gpu_uuid: str, values: Values, form: str, listing: Listing, decoder: Decoder
) -> tuple[InstanceIdentity, InstanceReading] | None:
    known: dict[str, Any] = numbers(values, INSTANCE_IDENTITY, form, decoder)
    if known.get("gpu_instance_id") is None or known.get("compute_instance_id") is None:
        return None
    listed = listing.instances.get((gpu_uuid, known.get("index", -1)))
    uuid = listed.uuid if listed else f"MIG-{gpu_uuid}/{known['gpu_instance_id']}/{known['compute_instance_id']}"
    identity = InstanceIdentity(gpu_uuid=gpu_uuid, uuid=uuid, profile=listed.profile if listed else None, **known)
    readings: dict[str, Any] = numbers(values, INSTANCE, form, decoder)
    return identity, InstanceReading(uuid=uuid, **readings)


def _process(
    values: Values, form: str, slots: dict[tuple[int | None, int | None], str], decoder: Decoder
) -> ProcessReading | None:
    """None where its number or what it does is not told. Its name is not taken: it may hold its arguments."""
    known: dict[str, Any] = numbers(values, PROCESS, form, decoder)
    letters = (written(values, PROCESS_TYPE, form) or "").lower().split("+")
    kinds = {_KINDS[letter] for letter in letters if letter in _KINDS}
    if known.get("pid") is None or not kinds:
        return None
    memory = number(values, PROCESS_MEMORY, form, decoder)
    return ProcessReading(
        pid=known["pid"],
        type=",".join(sorted(kinds)),
        instance_uuid=slots.get((known.get("gpu_instance_id"), known.get("compute_instance_id"))),
        memory_used_bytes=None if memory is None else int(memory),
    )
