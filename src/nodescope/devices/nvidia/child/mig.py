"""The instances of a GPU that is divided (MIG): who they are and what each reads.

Source: nvml.h, "Multi Instance GPU Management". Slots are sparse. Memory is that of the GPU instance: its compute
instances share it.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import DENIED, EMPTY_SLOT, REFUSED, SUCCESS
from nodescope.devices.nvidia.child.identity import text, uint
from nodescope.devices.nvidia.child.query import Choice, Queries, Query, Values
from nodescope.devices.nvidia.child.reading import BAR1, MEMORY_INFO

ENABLED: Final = 1
MAX_SLOTS: Final = 64
MEBIBYTE: Final = 1 << 20
GIBIBYTE: Final = 1 << 30
MEMORY_SLICES: Final = 8

UNCORRECTED, VOLATILE, SRAM = 1, 0, 7
ERRORS: Final[tuple[Choice, ...]] = (
    (
        Query(
            "nvmlDeviceGetMemoryErrorCounter",
            (("ecc_uncorrected_volatile_errors", 0, "value"),),
            (ctypes.c_ulonglong,),
            (UNCORRECTED, VOLATILE, SRAM),
        ),
    ),
)

_HAS_NONE: Final = REFUSED | EMPTY_SLOT
_UNTOLD: Final = _HAS_NONE | DENIED
_PROFILE: Final = re.compile(r"MIG ((?:\d+c\.)?\d+g\.\d+gb\S*)", re.ASCII)


class Slot(NamedTuple):
    """A place of a GPU that an instance is in."""

    number: int
    handle: Any
    uuid: str


class Layout(NamedTuple):
    """`mode`: whether a GPU is divided, None where it cannot be. `slots`: those that are not empty. `told`: whether the
    driver has said all of it; a call that failed says nothing of what is there."""

    mode: int | None
    slots: list[Slot]
    told: bool


class Instance(NamedTuple):
    """A compute instance. `identity`: as `InstanceIdentity` has it."""

    uuid: str
    handle: Any
    gpu_instance: int | None
    compute_instance: int | None
    identity: Values


def layout(calls: Calls, handle: Any) -> Layout:
    """How a GPU is divided now. Raises `GpuLost`, `CallFailed`."""
    current, pending, count = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
    code = calls.ask("nvmlDeviceGetMigMode", handle, ctypes.byref(current), ctypes.byref(pending))
    if code != SUCCESS:
        return Layout(None, [], code in _HAS_NONE)
    if current.value != ENABLED:
        return Layout(current.value, [], True)
    told = calls.ask("nvmlDeviceGetMaxMigDeviceCount", handle, ctypes.byref(count)) in (SUCCESS, *_HAS_NONE)
    slots = []
    for number in range(min(count.value, MAX_SLOTS)):
        instance = pynvml.c_nvmlDevice_t()
        name = "nvmlDeviceGetMigDeviceHandleByIndex"
        code = calls.ask(name, handle, number, ctypes.byref(instance), expected=EMPTY_SLOT)
        uuid = text(calls, "nvmlDeviceGetUUID", instance) if code == SUCCESS else None
        if uuid is not None:
            slots.append(Slot(number, instance, uuid))
        elif code not in _HAS_NONE:
            told = False
    return Layout(current.value, slots, told)


def instances(
    calls: Calls, handle: Any, slots: Iterable[Slot], gpu_uuid: str, total_bytes: int | None
) -> list[Instance]:
    """Who the instances of a GPU are. `handle`, `total_bytes`: the GPU's. Raises `GpuLost`, `CallFailed`."""
    return [_instance(calls, handle, slot, gpu_uuid, total_bytes) for slot in slots]


def _instance(calls: Calls, handle: Any, slot: Slot, gpu_uuid: str, total_bytes: int | None) -> Instance:
    gpu_instance = uint(calls, "nvmlDeviceGetGpuInstanceId", slot.handle)
    compute_instance = uint(calls, "nvmlDeviceGetComputeInstanceId", slot.handle)
    attributes = pynvml.c_nvmlDeviceAttributes()
    known = calls.ask("nvmlDeviceGetAttributes_v2", slot.handle, ctypes.byref(attributes)) == SUCCESS
    profile = profile_in(text(calls, "nvmlDeviceGetName", slot.handle) or "")
    if profile is None and known:
        slices = attributes.gpuInstanceSliceCount, attributes.computeInstanceSliceCount
        profile = profile_of(*slices, attributes.memorySizeMB * MEBIBYTE, total_bytes)
    identity = {
        "gpu_uuid": gpu_uuid,
        "uuid": slot.uuid,
        "index": slot.number,
        "gpu_instance_id": gpu_instance,
        "compute_instance_id": compute_instance,
        "profile": profile,
        **({} if gpu_instance is None else _placement(calls, handle, gpu_instance)),
        "multiprocessors": attributes.multiprocessorCount if known else None,
    }
    return Instance(slot.uuid, slot.handle, gpu_instance, compute_instance, identity)


def _placement(calls: Calls, handle: Any, gpu_instance: int) -> Values:
    """Which profile a GPU instance has and where it lies; nothing where only root is told, and this is not."""
    found, info = pynvml.c_nvmlGpuInstance_t(), pynvml.c_nvmlGpuInstanceInfo_t()
    for name, arguments in (
        ("nvmlDeviceGetGpuInstanceById", (handle, gpu_instance, ctypes.byref(found))),
        ("nvmlGpuInstanceGetInfo", (found, ctypes.byref(info))),
    ):
        if calls.ask(name, *arguments, expected=_UNTOLD) != SUCCESS:
            return {}
    return {
        "profile_id": info.profileId,
        "placement_start": info.placement.start,
        "placement_size": info.placement.size,
    }


def profile_in(name: str) -> str | None:
    """The profile that a device's name ends in: "NVIDIA H200 MIG 1g.18gb"."""
    found = _PROFILE.search(name)
    return found and found[1]


def profile_of(gpu_slices: int, compute_slices: int, memory_bytes: int, total_bytes: int | None) -> str | None:
    """The profile's name, from what it has: memory is given out in eighths, and named in the whole GPU's gigabytes."""
    if not gpu_slices or not memory_bytes:
        return None
    if total_bytes:
        eighths = math.ceil(memory_bytes / total_bytes * MEMORY_SLICES)
        gigabytes = round(eighths / MEMORY_SLICES * math.ceil(total_bytes / GIBIBYTE))
    else:
        gigabytes = math.ceil(memory_bytes / GIBIBYTE)
    part = f"{compute_slices}c." if 0 < compute_slices < gpu_slices else ""
    return f"{part}{gpu_slices}g.{gigabytes}gb"


class InstanceReadings:
    """What the instances of one GPU read. Each GPU instance is asked once, whatever the number of its parts."""

    def __init__(self, calls: Calls, instances: Iterable[Instance]) -> None:
        self._instances = tuple(instances)
        first: dict[Any, Any] = {}
        for each in self._instances:
            first.setdefault(self._key(each), each.handle)
        self._memory = {key: Queries(calls, handle, MEMORY_INFO) for key, handle in first.items()}
        self._seldom = {key: Queries(calls, handle, BAR1) for key, handle in first.items()}
        self._errors = {each.uuid: Queries(calls, each.handle, ERRORS) for each in self._instances}
        self._slow: dict[Any, Values] = {}

    def read_slow(self) -> None:
        """What changes seldom. Raises `GpuLost`, `CallFailed`."""
        self._slow = {}
        for group in (self._seldom, self._errors):
            for key, queries in group.items():
                queries.read(self._slow.setdefault(key, {}))

    def read(self, profiling: dict[int, dict[str, float]]) -> list[Values]:
        """A dict of `InstanceReading` for each. Raises `GpuLost`, `CallFailed`."""
        memory: dict[Any, Values] = {}
        for key, queries in self._memory.items():
            values: Values = {}
            queries.read(values)
            memory[key] = values
        return [self._of(each, memory, profiling) for each in self._instances]

    def _of(self, each: Instance, memory: dict[Any, Values], profiling: dict[int, dict[str, float]]) -> Values:
        key = self._key(each)
        values = {"uuid": each.uuid, **self._slow.get(key, {}), **self._slow.get(each.uuid, {}), **memory[key]}
        metrics = profiling.get(-1 if each.gpu_instance is None else each.gpu_instance)
        if metrics:
            values["profiling"] = metrics
        return values

    @staticmethod
    def _key(each: Instance) -> Any:
        return each.uuid if each.gpu_instance is None else each.gpu_instance
