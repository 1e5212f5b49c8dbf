"""Who uses the GPUs: processes by user, and the greatest of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nodescope.records.gpu_snapshot import Gpu, GpuProcess
from nodescope.records.gpu_use import GpuUse, GpuUserUse


def processes_by_gpu(gpus: Iterable[Gpu], processes: Iterable[GpuProcess]) -> tuple[GpuUse, ...]:
    """How many processes each GPU has that answers and says who uses it, be it none."""
    pids: dict[str, set[int]] = {}
    for process in processes:
        pids.setdefault(process.identity.uuid, set()).add(process.reading.pid)
    return tuple(
        GpuUse(identity=gpu.identity, processes=len(pids.get(gpu.identity.uuid, ())))
        for gpu in gpus
        if gpu.up and gpu.processes_told
    )


def processes_by_user(processes: Iterable[GpuProcess]) -> tuple[GpuUserUse, ...]:
    """What each user has of each GPU."""
    found: dict[tuple[str, str | None], list[GpuProcess]] = {}
    for process in processes:
        found.setdefault((process.identity.uuid, process.reading.user), []).append(process)
    return tuple(_user_use(of_user) for of_user in found.values())


def top_processes(processes: Iterable[GpuProcess], count: int) -> list[GpuProcess]:
    """The `count` processes of each GPU that have most of its memory; of equals those with the lowest PID."""
    found: dict[str, list[GpuProcess]] = {}
    for process in processes if count > 0 else ():
        found.setdefault(process.identity.uuid, []).append(process)
    return [process for of_gpu in found.values() for process in sorted(of_gpu, key=_greatest_first)[:count]]


def _greatest_first(process: GpuProcess) -> tuple[int, int]:
    memory = process.reading.memory_used_bytes
    return (1 if memory is None else -memory, process.reading.pid)


def _user_use(processes: Sequence[GpuProcess]) -> GpuUserUse:
    readings = [process.reading for process in processes]
    memory = [reading.memory_used_bytes for reading in readings if reading.memory_used_bytes is not None]
    busy = [reading.sm_utilization_percent for reading in readings if reading.sm_utilization_percent is not None]
    return GpuUserUse(
        identity=processes[0].identity,
        user=readings[0].user,
        processes=len({reading.pid for reading in readings}),
        memory_used_bytes=sum(memory) if memory else None,
        sm_utilization_percent=sum(busy) if busy else None,
    )
