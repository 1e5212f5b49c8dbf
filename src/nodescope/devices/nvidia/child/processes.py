"""Processes on a GPU, and what each uses.

Source: nvml.h, `nvmlDeviceGetComputeRunningProcesses`, `nvmlDeviceGetProcessUtilization`. A GPU that is divided tells
of all its processes only those who may know; else each instance is asked.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import DENIED, INSUFFICIENT_SIZE, NOT_FOUND, REFUSED, SUCCESS
from nodescope.devices.nvidia.child.library import Driver
from nodescope.devices.nvidia.child.mig import Instance
from nodescope.devices.nvidia.child.process_layout import LARGEST, Running, best, layouts, plausible

FIRST_CAPACITY: Final = 64
MAX_PROCESSES: Final = 1024
"""Of one GPU and type; where there are more they are left out."""

SAMPLE: Final = struct.Struct("I4xQIIII")
"""nvmlProcessUtilizationSample_t: process, time in microseconds, percent of SM, memory, encoder, decoder."""

TYPES: Final = (
    ("compute", "nvmlDeviceGetComputeRunningProcesses"),
    ("graphics", "nvmlDeviceGetGraphicsRunningProcesses"),
)
UTILIZATION_CALL: Final = "nvmlDeviceGetProcessUtilization"
UTILIZATIONS: Final = (
    "sm_utilization_percent",
    "memory_utilization_percent",
    "encoder_utilization_percent",
    "decoder_utilization_percent",
)

Values = dict[str, Any]
Ids = tuple[int | None, int | None]


class _Rows:
    """Rows of one size that the driver fills, in memory that grows when it does not suffice."""

    def __init__(self, row_bytes: int) -> None:
        self._row_bytes = row_bytes
        self._grow(FIRST_CAPACITY)

    def fill(self, call: Callable[[Any, Any], int]) -> tuple[int, int]:
        """Calls with a pointer to the number of rows and the rows -> return code, number of rows filled."""
        for _ in range(2):
            count = ctypes.c_uint(self._capacity)
            code = call(ctypes.byref(count), self._rows)
            if code != INSUFFICIENT_SIZE or self._capacity >= MAX_PROCESSES:
                break
            self._grow(min(2 * max(count.value, self._capacity), MAX_PROCESSES))
        return code, min(count.value, self._capacity)

    @property
    def memory(self) -> memoryview:
        return memoryview(self._rows).cast("B")

    def _grow(self, capacity: int) -> None:
        self._capacity = capacity
        self._rows = (ctypes.c_char * (capacity * self._row_bytes))()


class ProcessList:
    """The processes of one type on one device."""

    def __init__(self, calls: Calls, name: str, driver: Driver, rows: _Rows) -> None:
        self._calls = calls
        self._rows = rows
        version = next((number for number in (3, 2, 1) if calls.exists(_versioned(name, number))), 1)
        self._name = _versioned(name, version)
        self._layouts = layouts(version, driver)

    def read(self, handle: Any, total_bytes: int | None, exists: Callable[[int], bool]) -> tuple[int, list[Running]]:
        """Return code and processes. Raises `GpuLost`, `CallFailed`."""
        function = self._calls.function(self._name)
        if function is None:
            return NOT_FOUND, []
        code, count = self._rows.fill(lambda count, rows: self._calls.make(self._name, function, handle, count, rows))
        if code != SUCCESS:
            self._calls.left_out += code == INSUFFICIENT_SIZE
            return code, []
        check = partial(plausible, total_bytes=total_bytes, exists=exists)
        return code, best(self._rows.memory, count, self._layouts, check)


class ProcessUtilization:
    """What share of a GPU each process had, by the driver's newest sample of it."""

    def __init__(self, calls: Calls, handle: Any) -> None:
        self._calls = calls
        self._handle = handle
        self._function = calls.function(UTILIZATION_CALL)
        self._rows = _Rows(SAMPLE.size)
        self._newest = 0

    def read(self) -> dict[int, tuple[int, ...]]:
        """Process -> `UTILIZATIONS`, of those with a sample since the call before. Raises `GpuLost`, `CallFailed`."""
        function = self._function
        if function is None:
            return {}
        since = ctypes.c_ulonglong(self._newest)
        code, count = self._rows.fill(
            lambda count, rows: self._calls.make(UTILIZATION_CALL, function, self._handle, rows, count, since)
        )
        if code != SUCCESS:
            if code in REFUSED:
                self._function = None
            return {}
        newest: dict[int, tuple[int, ...]] = {}
        for row in SAMPLE.iter_unpack(self._rows.memory[: count * SAMPLE.size]):
            # The driver fills the whole array: what has no time, or is not newer, is no sample.
            if row[1] > self._newest and row[1] >= newest.get(row[0], (0, 0))[1]:
                newest[row[0]] = row
        if newest:
            self._newest = max(row[1] for row in newest.values())
        return {pid: row[2:] for pid, row in newest.items()}


class Processes:
    """All processes of one GPU. `told`: whether the newest `read` has them all: the device has at least one of the two
    lists, and what it has was given."""

    def __init__(
        self,
        calls: Calls,
        handle: Any,
        driver: Driver,
        instances: Sequence[Instance],
        exists: Callable[[int], bool],
    ) -> None:
        self.told = False
        self._handle = handle
        self._instances = instances
        self._exists = exists
        self._uuids: Mapping[Ids, str] = {(each.gpu_instance, each.compute_instance): each.uuid for each in instances}
        self._codes: set[int] = set()
        self._one_by_one = False
        self._gone: set[str] = set()
        rows = _Rows(LARGEST)
        self._lists = [(kind, ProcessList(calls, name, driver, rows)) for kind, name in TYPES]
        self._utilization = ProcessUtilization(calls, handle)

    def read(self, total_bytes: int | None) -> list[Values]:
        """A dict of `ProcessReading` for each process and instance. Raises `GpuLost`, `CallFailed`."""
        found: dict[tuple[int, Ids], Values] = {}
        self._codes.clear()
        for kind, processes in self._lists:
            if kind in self._gone:
                continue
            for process in self._running(kind, processes, total_bytes):
                ids = (process.gpu_instance, process.compute_instance)
                values = found.setdefault((process.pid, ids), {"pid": process.pid, "type": kind})
                if values["type"] != kind:
                    values["type"] = "compute,graphics"
                if process.memory_bytes is not None:
                    values["memory_used_bytes"] = max(process.memory_bytes, values.get("memory_used_bytes", 0))
                uuid = self._uuids.get(ids)
                if uuid is not None:
                    values["instance_uuid"] = uuid
        self.told = SUCCESS in self._codes and self._codes <= REFUSED | {SUCCESS}
        if found:
            self._add_utilization(found.values())
        return list(found.values())

    def _running(self, kind: str, processes: ProcessList, total_bytes: int | None) -> list[Running]:
        if not self._one_by_one:
            code, running = processes.read(self._handle, total_bytes, self._exists)
            if code in DENIED and self._instances:
                self._one_by_one = True
            elif code in REFUSED:
                self._gone.add(kind)
            if not self._one_by_one:
                self._codes.add(code)
                return running
        of_instances = []
        for each in self._instances:
            code, running = processes.read(each.handle, total_bytes, self._exists)
            self._codes.add(code)
            gpu, compute = each.gpu_instance, each.compute_instance
            of_instances += [process._replace(gpu_instance=gpu, compute_instance=compute) for process in running]
        return of_instances

    def _add_utilization(self, found: Any) -> None:
        shares = self._utilization.read()
        if shares:
            for values in found:
                values.update(zip(UTILIZATIONS, shares.get(values["pid"], ()), strict=False))


def _versioned(name: str, version: int) -> str:
    return name if version == 1 else f"{name}_v{version}"
