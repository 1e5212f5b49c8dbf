"""What `amd-smi process` tells -> the processes on each GPU.

Source: `amd-smi process --json`: for each GPU a `process_list`, of objects with `process_info` or, in some releases,
of what else stands in that. ROCm 5.7 and 6.0 give that list as `values`, and a single process as the GPU's own
`process_info`; 6.1 gives the last of them all there, and only its numbers have units. Memory in bytes, engines in
nanoseconds, SDMA in microseconds. On a GPU that nobody uses there is a sentence in the place of a process. Only
processes that compute are known to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_values import at, first, name, number, whole
from nodescope.records.gpu import ProcessReading

MAX_PROCESSES: Final = 1024
MAX_ENGINES: Final = 8
MAX_ENGINE_NAME: Final = 32
MAX_PROCESS_NAME: Final = 64
COMPUTE: Final = "compute"

FORMS: Final = ("process_list", "processes", "values")
MEMORY: Final = ("memory_usage.vram_mem", "mem_usage", "mem")
GTT: Final = ("memory_usage.gtt_mem",)


def processes(entry: Entry) -> tuple[ProcessReading, ...]:
    """Those on one GPU, each PID once."""
    listed = _listed(entry)
    found = _readings(listed[:MAX_PROCESSES] if isinstance(listed, list) else ())
    return tuple({process.pid: process for process in found}.values())


def are_told(entry: Entry) -> bool:
    """Whether the entry says who uses the GPU, be it nobody: it has a list, and each process there has its PID."""
    listed = _listed(entry)
    if listed == [entry] and isinstance(at(entry, "process_info.mem_usage"), dict):
        return False
    return isinstance(listed, list) and len(listed) <= MAX_PROCESSES and all(map(_is_told, listed))


def _listed(entry: Entry) -> Any:
    """The list of processes, in whichever form; None where there is none."""
    if "process_info" in entry:
        return [entry]
    return next((listed for form in FORMS if (listed := entry.get(form))), None)


def _is_told(item: Any) -> bool:
    told = item.get("process_info", item) if isinstance(item, dict) else None
    return bool(whole(told.get("pid"))) if isinstance(told, dict) else name(told) is not None


def _readings(listed: Iterable[Any]) -> Iterator[ProcessReading]:
    for item in listed:
        told: Any = item.get("process_info", item) if isinstance(item, dict) else None
        if isinstance(told, dict) and (pid := whole(told.get("pid"))):
            yield ProcessReading(
                pid=pid,
                type=COMPUTE,
                memory_used_bytes=_bytes(told, MEMORY),
                gtt_used_bytes=_bytes(told, GTT),
                compute_units_used=whole(told.get("cu_occupancy")),
                sdma_microseconds=whole(told.get("sdma_usage"), "microseconds"),
                engine_ns=_engines(told),
                name=_short_name(told.get("name")),
            )


def _bytes(told: Entry, paths: tuple[str, ...]) -> int | None:
    found = first(told, paths, "bytes")
    return None if found is None else int(found)


def _engines(told: Entry) -> dict[str, int]:
    usage = at(told, "usage") or at(told, "engine_usage")
    pairs = list(usage.items())[:MAX_ENGINES] if isinstance(usage, dict) else ()
    return {
        engine[:MAX_ENGINE_NAME]: int(used)
        for engine, value in pairs
        if (used := number(value, "nanoseconds")) is not None
    }


def _short_name(value: Any) -> str | None:
    """The command's name alone: a path may tell who somebody is."""
    said = name(value)
    return said.rstrip("/").rpartition("/")[2][:MAX_PROCESS_NAME] or None if said else None
