"""Processes that compute on a GPU, as KFD lists them.

*Source*: /sys/class/kfd/kfd/proc (drivers/gpu/drm/amd/amdkfd/kfd_process.c): a folder for each process, named by its
PID in the host's namespace, with vram_GPUID (bytes), sdma_GPUID (microseconds), stats_GPUID/cu_occupancy (compute units
that its waves occupy) and queues/N/gpuid. A process has the files of every GPU that it may open, whether it uses it or
not: it uses one where it has memory or a queue. Since Linux 6.19 it may have further contexts, each with the same files
in a folder context_N below its own. *Absent when*: nothing computes, or the kernel has no KFD.
*Cost*: one read for each process and GPU, three more where the process uses it. No descriptor is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.host import Host

FOLDER: Final = "class/kfd/kfd/proc"
MAX_PROCESSES: Final = 4096
MAX_QUEUES: Final = 256
MAX_CONTEXTS: Final = 256
"""Of one process, its first one aside."""

VRAM: Final = "vram_"
CONTEXT: Final = "context_"


class KfdUse(NamedTuple):
    """What a process uses of one KFD node. None: the driver does not say."""

    pid: int
    gpu_id: int
    memory_used_bytes: int | None
    sdma_microseconds: int | None
    compute_units: int | None


class KfdProcesses:
    """Reads all processes. `files.path` names what is being read, should it hang."""

    def __init__(self, host: Host) -> None:
        self.files = DeviceFiles(host, host.sys(FOLDER))

    def uses(self, gpu_ids: Mapping[int, object]) -> Iterator[KfdUse]:
        """Of the nodes in `gpu_ids`, process by process."""
        pids = sorted(int(name) for name in self.files.names("") if name.isascii() and name.isdigit())
        for pid in pids[:MAX_PROCESSES]:
            yield from self._of_process(pid, gpu_ids)

    def _of_process(self, pid: int, gpu_ids: Mapping[int, object]) -> Iterable[KfdUse]:
        """What all of its contexts use together."""
        names = self.files.names(str(pid))
        found = {use.gpu_id: use for use in self._of_context(pid, str(pid), names, gpu_ids)}
        for context in [name for name in names if name.startswith(CONTEXT)][:MAX_CONTEXTS]:
            folder = f"{pid}/{context}"
            for use in self._of_context(pid, folder, self.files.names(folder), gpu_ids):
                known = found.get(use.gpu_id)
                found[use.gpu_id] = use if known is None else _together(known, use)
        return found.values()

    def _of_context(
        self, pid: int, folder: str, names: Iterable[str], gpu_ids: Mapping[int, object]
    ) -> Iterator[KfdUse]:
        queued: frozenset[int] | None = None
        for name in names:
            number = name.removeprefix(VRAM)
            if number == name or not number.isdecimal() or int(number) not in gpu_ids:
                continue
            used = self._number(f"{folder}/{name}")
            if not used and queued is None:
                queued = self._queued(folder)
            if used or int(number) in (queued or ()):
                yield self._use(pid, folder, int(number), used)

    def _use(self, pid: int, folder: str, gpu_id: int, memory_used_bytes: int | None) -> KfdUse:
        return KfdUse(
            pid,
            gpu_id,
            memory_used_bytes,
            self._number(f"{folder}/sdma_{gpu_id}"),
            self._number(f"{folder}/stats_{gpu_id}/cu_occupancy"),
        )

    def _queued(self, folder: str) -> frozenset[int]:
        """The nodes on which it has a queue."""
        names = self.files.names(f"{folder}/queues")[:MAX_QUEUES]
        return frozenset(gpu_id for name in names if (gpu_id := self._number(f"{folder}/queues/{name}/gpuid")))

    def _number(self, name: str) -> int | None:
        value = self.files.number(name, self.files.anew)
        return value if value is not None and value >= 0 else None


def _together(one: KfdUse, other: KfdUse) -> KfdUse:
    """What two contexts of a process use of one node."""
    sums = (_sum(mine, others) for mine, others in zip(one[2:], other[2:], strict=True))
    return KfdUse(one.pid, one.gpu_id, *sums)


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other
