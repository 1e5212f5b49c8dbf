"""Processes that have a GPU's device node open: what the driver tells of each of their DRM clients.

*Source*: /proc/PID/fdinfo/FD, Documentation/gpu/drm-usage-stats.rst: drm-driver, drm-pdev (the PCI address),
drm-client-id (the same for all descriptors of one client), drm-memory-vram or drm-resident-vram, drm-engine-NAME in
nanoseconds. *Absent when*: a process' descriptors cannot be read (that needs its user's rights or root's).
*Cost*: of all processes on the machine, some are looked through at each scan, `MAX_LINKS` descriptors at most; one
that was looked through is again after `LOOK_AGAIN_SECONDS`. Those that have a device open are read at each scan.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.number import uint64

DRIVER: Final = b"amdgpu"
DEVICES: Final = "/dev/dri/"
LOOK_AGAIN_SECONDS: Final = 60.0
MAX_LINKS: Final = 4096
MAX_PROCESSES: Final = 65_536
MAX_DESCRIPTORS: Final = 1024
"""Of one process."""

MAX_CLIENTS: Final = 1024
MAX_LINES: Final = 256
MAX_ENGINES: Final = 32
MAX_WORD_BYTES: Final = 32
"""Of an address or an engine's name."""
_UNITS: Final = {b"": 1, b"kib": 1024, b"mib": 1024**2, b"gib": 1024**3}
_ENGINE: Final = b"drm-engine-"
_VRAM: Final = (b"drm-memory-vram", b"drm-resident-vram")
_GTT: Final = (b"drm-memory-gtt", b"drm-resident-gtt")


class DrmClient(NamedTuple):
    """What one client of the driver uses. `node`: the name under /dev/dri of what is open, "renderD128"."""

    pid: int
    node: str
    pci_address: str
    client_id: int
    memory_used_bytes: int | None
    gtt_used_bytes: int | None
    engine_ns: dict[str, int]


def parse_fdinfo(data: bytes, pid: int, node: str) -> DrmClient | None:
    """The client of a descriptor; None where it is not one of amdgpu's, or lacks address or number."""
    said: dict[bytes, bytes] = {}
    for line in data.split(b"\n")[:MAX_LINES]:
        name, colon, value = line.partition(b":")
        if colon and name.startswith(b"drm-"):
            said[name] = value.strip()
    client_id = uint64(said.get(b"drm-client-id", b""))
    address = said.get(b"drm-pdev", b"")[:MAX_WORD_BYTES].decode("ascii", "replace").lower()
    if said.get(b"drm-driver") != DRIVER or client_id is None or not address:
        return None
    engines = {
        name.removeprefix(_ENGINE)[:MAX_WORD_BYTES].decode("ascii", "replace"): used
        for name, value in said.items()
        if name.startswith(_ENGINE) and (used := uint64(value.partition(b" ")[0])) is not None
    }
    return DrmClient(
        pid,
        node,
        address,
        client_id,
        _bytes(said, _VRAM),
        _bytes(said, _GTT),
        dict(list(engines.items())[:MAX_ENGINES]),
    )


def _bytes(said: dict[bytes, bytes], names: tuple[bytes, ...]) -> int | None:
    for name in names:
        word, _, unit = said.get(name, b"").partition(b" ")
        number, factor = uint64(word), _UNITS.get(unit.strip().lower())
        if number is not None and factor is not None:
            return number * factor
    return None


class DrmClients:
    """Finds and reads them. `path`: what is being read, should it hang. For one thread at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._looked_at: dict[int, float] = {}
        self._open: dict[int, tuple[tuple[str, str], ...]] = {}
        self.path = ""

    def clients(self) -> list[DrmClient]:
        """Each client once, of the process with the lowest number that has it."""
        now = time.monotonic()
        pids = self._pids()
        self._forget(pids)
        links = 0
        for pid in sorted(pids, key=lambda pid: self._looked_at.get(pid, 0.0)):
            if links >= MAX_LINKS or now - self._looked_at.get(pid, float("-inf")) < LOOK_AGAIN_SECONDS:
                break
            links += self._look(pid)
            self._looked_at[pid] = now
        found: dict[tuple[str, int], DrmClient] = {}
        for pid in sorted(self._open):
            for client in self._read(pid):
                found.setdefault((client.pci_address, client.client_id), client)
                if len(found) >= MAX_CLIENTS:
                    return list(found.values())
        return list(found.values())

    def _pids(self) -> set[int]:
        try:
            names = self._host.list(self._host.procfs)
        except (Absent, OSError):
            return set()
        return {int(name) for name in names[:MAX_PROCESSES] if name.isascii() and name.isdigit()}

    def _forget(self, pids: set[int]) -> None:
        self._looked_at = {pid: at for pid, at in self._looked_at.items() if pid in pids}
        self._open = {pid: fds for pid, fds in self._open.items() if pid in pids}

    def _look(self, pid: int) -> int:
        """Notes which descriptors of a process are of devices; how many it has."""
        self.path = folder = self._host.proc(f"{pid}/fd")
        try:
            names = os.listdir(folder)[:MAX_DESCRIPTORS]
        except OSError:
            names = []
        opened = [(name, self._node(f"{folder}/{name}")) for name in names]
        opened = [(name, node) for name, node in opened if node]
        self.path = ""
        if opened:
            self._open[pid] = tuple(opened)
        else:
            self._open.pop(pid, None)
        return len(names) + 1

    def _node(self, path: str) -> str:
        try:
            target = os.readlink(path)
        except OSError:
            return ""
        return target.removeprefix(DEVICES) if target.startswith(DEVICES) else ""

    def _read(self, pid: int) -> Iterator[DrmClient]:
        for name, node in self._open[pid]:
            self.path = self._host.proc(f"{pid}/fdinfo/{name}")
            try:
                data = self._host.read_once(self.path)
            except (Absent, Malformed, OSError):
                # Closed meanwhile: what else the process has is looked for at the next scan.
                self._looked_at[pid] = float("-inf")
                continue
            finally:
                self.path = ""
            client = parse_fdinfo(data, pid, node)
            if client is not None:
                yield client
