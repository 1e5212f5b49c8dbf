"""Records of ports that TCP sockets of the host listen on."""

from __future__ import annotations

import msgspec


class ListeningPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port that is listened on. `family`: "tcp" (IPv4) or "tcp6". `address`: on which of the host's addresses, the
    widest of its sockets: "wildcard" (all), "specific" or "loopback".
    """

    port: int
    family: str
    address: str


class ListeningTables(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for `ListeningPort`. `ports`: how many there are, with those that were dropped.

    `dropped`: ports beyond the limit, of this reading. `dropped_total`, `malformed_rows_total`: since the start.
    """

    ports: int
    dropped: int
    dropped_total: int
    malformed_rows_total: int
