"""Samples the TCP ports that the host listens on."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.listening import LOOPBACK, SPECIFIC, WILDCARD, Table, read
from nodescope.records.listening import ListeningPort, ListeningTables

INTERVAL_S: Final = 30.0
MAX_PORTS: Final = 1024
FAMILIES: Final = ("tcp", "tcp6")
FOLDERS: Final = ("1/net", "net")
"""Of procfs: the network of the host's first process, which in a container is not the one that it is in itself; and
the own one, where the first process is not to be seen."""

_WIDEST: Final = (WILDCARD, SPECIFIC, LOOPBACK)


class ListeningPortsSampler:
    """Ports that TCP sockets listen on: records of `nodescope.records.listening`.

    *Source*: /proc/1/net/tcp and tcp6, else /proc/net/tcp and tcp6. *Absent when*: the kernel has no TCP. *Cost*: the
    sockets that listen, and a few hundred others.

    `max_ports`: the most that are told of, those with the lowest numbers; the others are counted.
    """

    name: ClassVar[str] = "listening_ports"
    demand_wait_s: float = 0.0

    def __init__(self, host: Host, interval_s: float = INTERVAL_S, max_ports: int = MAX_PORTS) -> None:
        self.interval_s = interval_s
        self.left_out = 0
        self._host = host
        self._max_ports = max_ports
        self._dropped_total = 0
        self._malformed_total = 0

    @property
    def rest_s(self) -> float:
        return self.interval_s

    def sample(self) -> tuple[Any, ...]:
        """Raises `Absent`; `OSError` or `Malformed` where neither table can be read."""
        tables = self._tables()
        ports = sorted(
            (port, family, address) for family, table in tables.items() for port, address in _widest(table).items()
        )
        dropped = max(0, len(ports) - self._max_ports)
        malformed = sum(table.malformed for table in tables.values())
        self.left_out = dropped + malformed
        self._dropped_total += dropped
        self._malformed_total += malformed
        summary = ListeningTables(
            ports=len(ports),
            dropped=dropped,
            dropped_total=self._dropped_total,
            malformed_rows_total=self._malformed_total,
        )
        shown = ports[: self._max_ports]
        return (summary, *(ListeningPort(port=port, family=family, address=at) for port, family, at in shown))

    def _tables(self) -> dict[str, Table]:
        """Of each family that the kernel has. Of several failures the one that is no absence is raised."""
        found: dict[str, Table] = {}
        why: Exception = Absent(self._host.proc(f"{FOLDERS[-1]}/{FAMILIES[0]}"))
        for family in FAMILIES:
            table = self._table(family)
            if isinstance(table, Table):
                found[family] = table
            elif not isinstance(table, Absent):
                why = table
        if not found:
            raise why
        return found

    def _table(self, family: str) -> Table | Absent | OSError | Malformed:
        why: Absent | OSError | Malformed = Absent(family)
        for folder in FOLDERS:
            try:
                return read(self._host.proc(f"{folder}/{family}"))
            except (Absent, OSError, Malformed) as error:
                why = error.with_traceback(None)
        return why


def _widest(table: Table) -> dict[int, str]:
    """Port -> the widest of the addresses that it is open on."""
    found: dict[int, str] = {}
    for port, address in table.sockets:
        known = found.get(port, address)
        found[port] = min(known, address, key=_WIDEST.index)
    return found
