"""Who uses which GPU: KFD's processes and the clients of the graphics driver, put together.

*Source*: as `kfd_processes` and `fdinfo`. A process that KFD knows is told of with KFD's memory, for its DRM client has
the same memory again; engines are the client's. *Cost*: a scan is made so seldom that all scans together take
`MAX_SHARE` of a processor at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.devices.amd.fdinfo import DrmClient, DrmClients
from nodescope.devices.amd.kfd_processes import KfdProcesses, KfdUse
from nodescope.host import Host
from nodescope.records.gpu import ProcessReading

MAX_SHARE: Final = 0.01
MAX_AGE_SECONDS: Final = 120.0
MAX_OF_GPU: Final = 1024
COMPUTE: Final = "compute"
GRAPHICS: Final = "graphics"
GRAPHICS_ENGINES: Final = frozenset({"gfx", "dec", "enc", "enc_1", "jpeg"})


class Owner(NamedTuple):
    """Of whom something is: a GPU, and the partition where it is partitioned."""

    uuid: str
    instance_uuid: str | None = None


class Owners(NamedTuple):
    """Owners by what names them: KFD's number of a node, the PCI address of a GPU, a render node's name."""

    by_gpu_id: Mapping[int, Owner]
    by_address: Mapping[str, Owner]
    by_node: Mapping[str, Owner]


class Processes:
    """`scan` is for one thread at a time and may hang. `found`: by GPU, of the newest scan."""

    def __init__(self, host: Host) -> None:
        self._kfd = KfdProcesses(host)
        self._drm = DrmClients(host)
        self._found: dict[str, tuple[ProcessReading, ...]] = {}
        self._found_at = float("-inf")
        self._due = float("-inf")
        self.owners = Owners({}, {}, {})

    @property
    def path(self) -> str:
        """What is being read right now."""
        return self._kfd.files.path or self._drm.path

    def found(self) -> Mapping[str, tuple[ProcessReading, ...]] | None:
        """GPU's uuid -> processes; None where the newest scan is too old."""
        return self._found if time.monotonic() - self._found_at <= MAX_AGE_SECONDS else None

    def scan(self) -> None:
        """Looks at all of them, where it is time."""
        if time.monotonic() < self._due:
            return
        owners, began = self.owners, time.thread_time()
        uses = list(self._kfd.uses(owners.by_gpu_id))
        self._found = joined(uses, self._drm.clients(), owners)
        self._found_at = time.monotonic()
        self._due = self._found_at + (time.thread_time() - began) / MAX_SHARE


def joined(
    uses: Iterable[KfdUse], clients: Iterable[DrmClient], owners: Owners
) -> dict[str, tuple[ProcessReading, ...]]:
    """One reading for each process on each GPU or partition, by GPU."""
    found: dict[tuple[int, Owner], ProcessReading] = {}
    computing = set()
    for use in uses:
        computing.add(use.pid)
        owner = owners.by_gpu_id[use.gpu_id]
        found[use.pid, owner] = ProcessReading(
            pid=use.pid,
            type=COMPUTE,
            instance_uuid=owner.instance_uuid,
            memory_used_bytes=use.memory_used_bytes,
            compute_units_used=use.compute_units,
            sdma_microseconds=use.sdma_microseconds,
        )
    for (pid, owner), group in _by_process(clients, owners).items():
        known = found.get((pid, owner))
        # What computes on one GPU has the nodes of all open, with some memory for tables in each.
        if known or any(any(client.engine_ns.values()) for client in group) or (pid not in computing and _has(group)):
            found[pid, owner] = _with_clients(known, pid, owner, group)
    by_gpu: dict[str, list[ProcessReading]] = {}
    for (_, owner), reading in sorted(found.items(), key=lambda item: item[0][0]):
        by_gpu.setdefault(owner.uuid, []).append(reading)
    return {uuid: tuple(readings[:MAX_OF_GPU]) for uuid, readings in by_gpu.items()}


def _by_process(clients: Iterable[DrmClient], owners: Owners) -> dict[tuple[int, Owner], list[DrmClient]]:
    groups: dict[tuple[int, Owner], list[DrmClient]] = {}
    for client in clients:
        owner = owners.by_node.get(client.node) or owners.by_address.get(client.pci_address)
        if owner is not None:
            groups.setdefault((client.pid, owner), []).append(client)
    return groups


def _with_clients(known: ProcessReading | None, pid: int, owner: Owner, clients: Sequence[DrmClient]) -> ProcessReading:
    """The process as KFD has it, where it has it, with what its DRM clients tell."""
    engine_ns: dict[str, int] = {}
    for client in clients:
        for engine, used in client.engine_ns.items():
            engine_ns[engine] = engine_ns.get(engine, 0) + used
    busy = {engine for engine, used in engine_ns.items() if used}
    kinds = {COMPUTE} if known is not None or "compute" in busy else set()
    kinds |= {GRAPHICS} if busy & GRAPHICS_ENGINES or not kinds else set()
    return ProcessReading(
        pid=pid,
        type=",".join(sorted(kinds)),
        instance_uuid=owner.instance_uuid,
        memory_used_bytes=known.memory_used_bytes if known else _sum(c.memory_used_bytes for c in clients),
        gtt_used_bytes=_sum(client.gtt_used_bytes for client in clients),
        compute_units_used=known.compute_units_used if known else None,
        sdma_microseconds=known.sdma_microseconds if known else None,
        engine_ns=engine_ns,
    )


def _has(clients: Iterable[DrmClient]) -> bool:
    """Whether any of them has memory: a session's manager has devices open without using them."""
    return any(client.memory_used_bytes or client.gtt_used_bytes for client in clients)


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
