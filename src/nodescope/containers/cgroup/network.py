"""Interfaces in the network namespaces of containers, from /proc/PID/net/dev. Source: proc_pid_net(5), namespaces(7).

A container on the host's network has no interfaces of its own and is left out; so is each one's loopback. Each
namespace has its own /proc/net, so the inode number of net/dev says whose it is; to read the link /proc/PID/ns/net
needs CAP_SYS_PTRACE, and that of process 1 cannot always be read by root.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.file import GONE, Descriptor
from nodescope.kernel.number import uint64s
from nodescope.records.container import ContainerNetwork

MAX_INTERFACES: Final = 1024
MAX_NAME_BYTES: Final = 64
HOST_PID: Final = 1
RECORD_BYTES: Final = 512
"""More than a line of the table has."""

LOOPBACK: Final = "lo"
"""What a container says to itself is no traffic of it: runtimes and cAdvisor leave it out too."""

_HEADER_LINES: Final = 2
_COLUMNS: Final = 16
_TAKEN: Final = {
    "receive_bytes": 0, "receive_packets": 1, "receive_errors": 2, "receive_dropped": 3,
    "transmit_bytes": 8, "transmit_packets": 9, "transmit_errors": 10, "transmit_dropped": 11,
}  # fmt: skip
EXPECTED: Final = "two lines of headings, then an interface, a colon and 16 numbers a line"

Counts = dict[str, int]
Namespace = tuple[int, int]
"""Device and inode number of net/dev in it."""


def parse_net_dev(data: bytes, source: str) -> dict[str, Counts]:
    """Interface -> its counts, at most `MAX_INTERFACES` of them. `Malformed` where the file is of another form."""
    lines = data.split(b"\n")
    if len(lines) <= _HEADER_LINES or b"|" not in lines[0]:
        raise Malformed(source, data, EXPECTED)
    found: dict[str, Counts] = {}
    for line in lines[_HEADER_LINES:]:
        if not line.strip():
            continue
        # A name may hold colons (aliases of old), numbers do not.
        name, colon, rest = line.rpartition(b":")
        words = rest.split()
        numbers = uint64s(words) if len(words) >= _COLUMNS else []
        if not colon or not name.strip() or len(name) > MAX_NAME_BYTES or not numbers:
            raise Malformed(source, line, EXPECTED)
        if len(found) < MAX_INTERFACES:
            found[text(name.strip())] = {field: numbers[column] for field, column in _TAKEN.items()}
    return found


class _Opened(NamedTuple):
    """net/dev of a process, open, and whose it is."""

    path: str
    table: Descriptor
    namespace: Namespace


class ContainerNetworks:
    """Reads the interfaces of containers by the pid of a process in each. `left_out`: that could not be read.

    `without`: of which it was read that they have none of their own (`docker run --network none`).
    """

    def __init__(self, host: Host, processes: ProcessCgroups) -> None:
        self._host = host
        self._processes = processes
        self._confirmed: dict[int, tuple[str, Namespace]] = {}
        self.left_out = 0
        self.without: frozenset[str] = frozenset()

    def read(self, pids: Mapping[str, int]) -> list[ContainerNetwork]:
        """`pids`: container's id -> pid on the host. Each namespace is read once, and told for all that share it."""
        self.left_out = 0
        self.without = frozenset()
        try:
            hosts = _namespace(os.stat(self._host.proc(f"{HOST_PID}/net/dev")))
        except OSError:
            self.left_out = len(pids)
            return []
        told: list[ContainerNetwork] = []
        without: set[str] = set()
        read: dict[Namespace, dict[str, Counts] | None] = {}
        confirmed: dict[int, tuple[str, Namespace]] = {}
        for container_id, pid in pids.items():
            opened = self._opened(pid)
            if opened is None or not self._is_of(container_id, pid, opened.namespace):
                continue
            namespace = opened.namespace
            confirmed[pid] = container_id, namespace
            if namespace == hosts:
                continue
            if namespace not in read:
                read[namespace] = self._interfaces(opened)
            interfaces = read[namespace]
            if interfaces == {}:
                without.add(container_id)
            told += [
                ContainerNetwork(id=container_id, interface=interface, namespace=namespace[1], **counts)
                for interface, counts in (interfaces or {}).items()
            ]
        self._confirmed, self.without = confirmed, frozenset(without)
        return told

    def _opened(self, pid: int) -> _Opened | None:
        """The table of the process; None where it is gone or may not be asked.

        To look a process up is most of what it costs: it is done once, and what is read is of the namespace told.
        """
        path = self._host.proc(f"{pid}/net/dev")
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self.left_out += error.errno not in GONE
            return None
        status = os.fstat(fd)
        return _Opened(path, Descriptor(fd, "proc", status.st_size), _namespace(status))

    def _is_of(self, container_id: str, pid: int, namespace: Namespace) -> bool:
        """Whether the process is still the container's: a pid may be used again. Asked anew with another namespace.

        Where its cgroups name no container for certain, the runtime is believed.
        """
        if self._confirmed.get(pid) == (container_id, namespace):
            return True
        try:
            holder = self._processes.of(pid)
        except Absent:
            return False
        except (OSError, Malformed):
            self.left_out += 1
            return False
        container = holder.container
        return container is None or not container.certain or container.id == container_id

    def _interfaces(self, opened: _Opened) -> dict[str, Counts] | None:
        """All but the loopback; None where they could not be read."""
        try:
            found = parse_net_dev(opened.table.read(record_bytes=RECORD_BYTES), opened.path)
        except (OSError, Malformed) as error:
            self.left_out += not (isinstance(error, OSError) and error.errno in GONE)
            return None
        found.pop(LOOPBACK, None)
        return found


def _namespace(status: os.stat_result) -> Namespace:
    return status.st_dev, status.st_ino
