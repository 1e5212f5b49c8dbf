"""One GPU: all that is asked of it, how often, and the report that becomes of it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child import identity, mig
from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.ecc import THRESHOLD, EccErrors
from nodescope.devices.nvidia.child.errors import RESET_REQUIRED, SUCCESS, UNKNOWN, text_of
from nodescope.devices.nvidia.child.field_ids import FIELDS
from nodescope.devices.nvidia.child.field_values import DriverFields
from nodescope.devices.nvidia.child.gpm import Profiling
from nodescope.devices.nvidia.child.library import Library
from nodescope.devices.nvidia.child.links import Links
from nodescope.devices.nvidia.child.options import ALL_CALLS, Options
from nodescope.devices.nvidia.child.peers import Peer, Peers
from nodescope.devices.nvidia.child.processes import Processes
from nodescope.devices.nvidia.child.query import Queries, Values
from nodescope.devices.nvidia.child.reading import (
    FAST,
    MEMORY_INFO,
    SLOW,
    STATIC,
    believe_fabric,
    believe_memory,
    retired_pages,
    vgpu_license,
)

SLOW_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0
VENDOR: Final = "nvidia"
RESET_STATE: Final = "reset_required"
LEFT_ALONE: Final = "left alone for a while: more than one of its calls did not return"


class Gpu:
    """For one thread. `identity`, `instances`: as the inventory has them, filled by `learn`.

    `before`: as which it, or another, was known at this index.

    It refuses what it has not; the memory of that ends with the generation: a new one makes a new `Gpu`.
    """

    def __init__(
        self,
        library: Library,
        calls: Calls,
        handle: Any,
        uuid: str,
        index: int,
        options: Options,
        before: Gpu | None = None,
    ) -> None:
        self.handle = handle
        self.uuid = uuid
        self.identity: Values = {"vendor": VENDOR, "uuid": uuid, "index": index}
        self.instances: list[mig.Instance] = []
        self.link_errors: dict[str, dict[int, int]] = {}
        if before is not None and before.uuid == uuid:
            self.link_errors = before.link_errors
        self.left_alone = ALL_CALLS in options.skip.get(uuid, ())
        self._library = library
        self._calls = calls
        self._options = options
        self._static: Values = {}
        self._slow: Values = {}
        self._ecc: list[Values] = []
        self._slow_at = float("-inf")
        self._looked_at = time.monotonic()
        self._profiling: Profiling | None = None
        self._processes: Processes | None = None

    def learn(self, exists: Callable[[int], bool]) -> None:
        """Reads what it is, and prepares what will be asked. Raises `GpuLost`, `CallFailed`."""
        if self.left_alone:
            return
        calls, handle, driver = self._calls, self.handle, self._library.driver
        identity.read(calls, handle, self._library, self.identity)
        self._memory = Queries(calls, handle, MEMORY_INFO)
        total = self._total_bytes()
        self._mode, slots, _ = mig.layout(calls, handle)
        self.instances = mig.instances(calls, handle, slots, self.uuid, total)
        Queries(calls, handle, STATIC).read(self._static)
        self._fast = Queries(calls, handle, FAST)
        self._seldom = Queries(calls, handle, SLOW)
        self._fields = DriverFields(calls, handle, [field for field in FIELDS if not field.slow], driver)
        self._slow_fields = DriverFields(calls, handle, [field for field in FIELDS if field.slow], driver)
        self._eccs = EccErrors(calls, handle)
        self._links = Links(calls, handle, self.link_errors)
        self._peers = Peers(calls, handle, self.uuid)
        self._instance_readings = mig.InstanceReadings(calls, self.instances)
        if self._options.profiling:
            numbers = {each.gpu_instance: None for each in self.instances if each.gpu_instance is not None}
            self._profiling = Profiling(calls, handle, driver, list(numbers))
        if self._options.processes:
            self._processes = Processes(calls, handle, driver, self.instances, exists)

    def has_changed(self, at_once: bool) -> bool:
        """Whether it is divided otherwise than when it was learnt; looked at seldom, or `at_once`.

        What is not told may be there still; an instance that is new is a change in any case.
        """
        now = time.monotonic()
        if self.left_alone or not (at_once or now - self._looked_at >= LOOK_SECONDS):
            return False
        self._looked_at = now
        mode, slots, told = mig.layout(self._calls, self.handle)
        before, now_there = [each.uuid for each in self.instances], [slot.uuid for slot in slots]
        if told:
            return mode != self._mode or now_there != before
        return not set(now_there) <= set(before)

    def read(self, gpus: Sequence[Peer] = ()) -> Values:
        """A dict of `GpuReport`. `gpus`: those that answer, this one too. Raises `GpuLost`, `CallFailed`."""
        if self.left_alone:
            return report(self.uuid, "unresponsive", LEFT_ALONE, 0.0)
        self._read_slow()
        self._fields.read()
        fresh = dict(self._fields.reading)
        self._memory.read(fresh)
        self._fast.read(fresh)
        profiling, of_instances = self._profiling.read() if self._profiling else ({}, {})
        links = self._links.read()
        instances = self._instance_readings.read(of_instances)
        processes = self._processes.read(fresh.get("memory_total_bytes")) if self._processes else []
        state, reason = self._state(bool(fresh))
        if state == RESET_STATE:
            believe_memory(fresh)
        reading = {**self._static, **self._slow, **fresh, "driver_fields": self._driver_fields()}
        if profiling:
            reading["profiling"] = profiling
        peers = self._peers.read(gpus)
        if peers:
            reading["peer_nvlink_status"] = peers
        return {
            **report(self.uuid, state, reason, time.monotonic()),
            "left_out": self._calls.left_out,
            "reading": reading if state in ("ok", RESET_STATE) else {},
            "links": links,
            "ecc": self._ecc,
            "processes": processes,
            "processes_told": self._processes is not None and self._processes.told,
            "instances": instances,
        }

    def close(self) -> None:
        """Gives back what the driver holds for it. Raises `GpuLost`, `CallFailed`."""
        if self._profiling is not None:
            self._profiling.close()

    def _read_slow(self) -> None:
        now = time.monotonic()
        if now - self._slow_at < SLOW_SECONDS:
            return
        slow: Values = {}
        self._slow_fields.read()
        self._seldom.read(slow)
        believe_fabric(slow)
        retired_pages(self._calls, self.handle, slow)
        vgpu_license(self._calls, self.handle, slow)
        self._slow = {**self._slow_fields.reading, **slow}
        self._ecc = self._eccs.read()
        self._links.read_slow()
        self._instance_readings.read_slow()
        self._slow_at = now

    def _driver_fields(self) -> Values:
        fields = {**self._slow_fields.driver_fields, **self._links.sums(), **self._fields.driver_fields}
        if self._eccs.threshold_exceeded is not None:
            fields[THRESHOLD] = self._eccs.threshold_exceeded
        return fields

    def _state(self, is_answered: bool) -> tuple[str, str]:
        """What the calls of this cycle say of the whole GPU. `is_answered`: whether there is any value."""
        calls = self._calls
        if calls.reset_required:
            return RESET_STATE, f"{calls.reset_required}: {text_of(RESET_REQUIRED)}"
        if is_answered:
            return "ok", ""
        if calls.unknown:
            advice = "in a container the device node may have been taken away; else look into the kernel's log"
            return "failed", f"{calls.unknown}: {text_of(UNKNOWN)}: {advice}"
        if calls.denied:
            return "denied", "the driver refuses every value: run as root, or give access to /dev/nvidia*"
        return "failed", "the driver gives no value"

    def _total_bytes(self) -> int | None:
        values: Values = {}
        self._memory.read(values)
        return values.get("memory_total_bytes")


def open_handle(calls: Calls, index: int) -> tuple[int, Any]:
    """Return code and handle of a GPU by its index. Raises `GpuLost`, `CallFailed`."""
    handle = pynvml.c_nvmlDevice_t()
    code = calls.ask("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
    return code, handle if code == SUCCESS else None


def report(uuid: str, state: str, reason: str, sampled: float) -> Values:
    """The least that a report has."""
    return {"uuid": uuid, "state": state, "reason": reason, "sampled_monotonic_seconds": sampled}
