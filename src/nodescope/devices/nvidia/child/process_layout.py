"""How NVML lays a process out in memory. Source: nvml.h, `nvmlProcessInfo_t` and its versions. Pure.

The structure is not the same in all drivers under one name of the call, so the driver's version chooses it; then what
was read is checked: a process that does not exist, or has more memory than the GPU, was misread.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from nodescope.devices.nvidia.child.library import Driver

MAX_PID: Final = 4194304
"""PID_MAX_LIMIT of the kernel."""

NOT_AVAILABLE: Final = 0xFFFFFFFFFFFFFFFF
NO_INSTANCE: Final = 0xFFFFFFFF

PLAIN: Final = struct.Struct("I4xQ")
"""nvmlProcessInfo_v1_t: process, memory."""

WITH_INSTANCE: Final = struct.Struct("I4xQII")
"""nvmlProcessInfo_v2_t: and GPU instance, compute instance."""

PROTECTED: Final = struct.Struct("I4xQII8x")
"""With confidential memory at its end."""

LARGEST: Final = PROTECTED.size
PROTECTED_FIRST: Final[Driver] = (535, 43)
PROTECTED_LAST: Final[Driver] = (535, 97)


class Running(NamedTuple):
    """A process as the driver tells of it. Memory and instances are None where it does not say."""

    pid: int
    memory_bytes: int | None = None
    gpu_instance: int | None = None
    compute_instance: int | None = None


Check = Callable[[Iterable[Running]], tuple[list[Running], int]]
"""Processes -> those that can be, and how many cannot."""


def layouts(version: int, driver: Driver) -> tuple[struct.Struct, ...]:
    """How version 1, 2 or 3 of the call lays a process out: first what the driver should do, then what it may do."""
    if version == 1:
        return (PLAIN,)
    if version == 2:
        return (WITH_INSTANCE,)
    if PROTECTED_FIRST <= driver[:2] <= PROTECTED_LAST:
        return (PROTECTED, WITH_INSTANCE)
    return (WITH_INSTANCE, PROTECTED)


def parse(memory: memoryview, count: int, layout: struct.Struct) -> list[Running]:
    """The first `count` processes in `memory`, as many as there is room for."""
    count = min(count, len(memory) // layout.size)
    return [_running(*row) for row in layout.iter_unpack(memory[: count * layout.size])]


def _running(pid: int, memory: int, gpu_instance: int = NO_INSTANCE, compute_instance: int = NO_INSTANCE) -> Running:
    return Running(
        pid,
        None if memory == NOT_AVAILABLE else memory,
        None if gpu_instance == NO_INSTANCE else gpu_instance,
        None if compute_instance == NO_INSTANCE else compute_instance,
    )


def plausible(
    processes: Iterable[Running], total_bytes: int | None, exists: Callable[[int], bool]
) -> tuple[list[Running], int]:
    """Those that can be, and how many cannot."""
    kept, dropped = [], 0
    for process in processes:
        too_big = total_bytes is not None and (process.memory_bytes or 0) > total_bytes
        if 0 < process.pid <= MAX_PID and not too_big and exists(process.pid):
            kept.append(process)
        else:
            dropped += 1
    return kept, dropped


def best(memory: memoryview, count: int, choices: Iterable[struct.Struct], check: Check) -> list[Running]:
    """The processes read as the layout tells of which the fewest are impossible; the first of equals."""
    found: tuple[list[Running], int] | None = None
    for layout in choices:
        kept, dropped = check(parse(memory, count, layout))
        if found is None or dropped < found[1]:
            found = kept, dropped
        if not dropped:
            break
    return found[0] if found else []
