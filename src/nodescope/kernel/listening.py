"""TCP sockets that listen: /proc/net/tcp and tcp6, of the network that the host's first process is in.

Source: proc_net_tcp(5), net/ipv4/tcp_ipv4.c. The kernel prints the sockets that listen before all others, addresses as
numbers in its own byte order, and state 0A for one that listens.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

from nodescope.host import Absent, Malformed
from nodescope.kernel.file import GONE
from nodescope.kernel.hexadecimal import hex_uint64

CHUNK_BYTES: Final = 64 * 1024
MAX_CHUNKS: Final = 256
"""Sixteen megabytes: a hundred thousand sockets."""

WILDCARD, LOOPBACK, SPECIFIC = "wildcard", "loopback", "specific"

_LISTENS: Final = b"0A"
_HEADING: Final = b"sl"
_STATE_COLUMN: Final = 3
_LEAST_COLUMNS: Final = 4
_PORT_DIGITS: Final = 4
_ADDRESS_DIGITS: Final = {8: "=I", 32: "=IIII"}
_LOOPBACK_V4: Final = 127
_LOOPBACK_V6: Final = bytes(15) + b"\1"
_MAPPED: Final = bytes(10) + b"\xff\xff"


class Socket(NamedTuple):
    """A socket that listens. `address`: "wildcard", "loopback" or "specific"."""

    port: int
    address: str


class Table(NamedTuple):
    """Sockets that listen, each once; how many rows could not be read; whether any row was of another state."""

    sockets: frozenset[Socket]
    malformed: int
    others: bool


def parse(lines: list[bytes]) -> Table:
    """Rows of the table, of either family; its heading is passed over."""
    found: set[Socket] = set()
    malformed, others = 0, False
    for line in lines:
        columns = line.split(None, _LEAST_COLUMNS)
        if not columns or columns[0] == _HEADING:
            continue
        if len(columns) < _LEAST_COLUMNS:
            malformed += 1
        elif columns[_STATE_COLUMN] == _LISTENS:
            socket = _socket(columns[1])
            if socket is None:
                malformed += 1
            else:
                found.add(socket)
        elif len(columns[_STATE_COLUMN]) == len(_LISTENS):
            others = True
        else:
            malformed += 1
    return Table(frozenset(found), malformed, others)


def _socket(local: bytes) -> Socket | None:
    address, colon, port = local.partition(b":")
    form = _ADDRESS_DIGITS.get(len(address))
    number = hex_uint64(port) if len(port) == _PORT_DIGITS else None
    if not colon or form is None or number is None:
        return None
    words = [hex_uint64(address[start : start + 8]) for start in range(0, len(address), 8)]
    if None in words:
        return None
    return Socket(number, _reach(struct.pack(form, *words)))


def _reach(packed: bytes) -> str:
    """Which of the host's addresses `packed`, in network byte order, is."""
    # An IPv4 address may be written as one of IPv6.
    if packed.startswith(_MAPPED):
        packed = packed[len(_MAPPED) :]
    if not any(packed):
        return WILDCARD
    if packed == _LOOPBACK_V6 or (len(packed) == 4 and packed[0] == _LOOPBACK_V4):
        return LOOPBACK
    return SPECIFIC


def read(path: str) -> Table:
    """The table in a file, read as far as there are sockets that listen.

    Raises `Absent` where there is none, `OSError` where it cannot be read, `Malformed` where it is no such table or has
    no end.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in GONE:
            raise Absent(path) from error
        raise
    try:
        return _read(fd, path)
    finally:
        os.close(fd)


def _read(fd: int, path: str) -> Table:
    found: set[Socket] = set()
    malformed, others = 0, False
    rest = b""
    for number in range(MAX_CHUNKS):
        data = os.read(fd, CHUNK_BYTES)
        if number == 0 and not data.lstrip().startswith(_HEADING):
            raise Malformed(path, data, "a heading, then a line for each socket")
        lines = (rest + data).split(b"\n")
        rest = lines.pop() if data else b""
        table = parse(lines)
        found |= table.sockets
        malformed += table.malformed
        others |= table.others
        # Those that listen come first: a piece without any has none behind it.
        if not data or (table.others and not table.sockets):
            return Table(frozenset(found), malformed, others)
    raise Malformed(path, rest, f"at most {MAX_CHUNKS * CHUNK_BYTES} bytes")
