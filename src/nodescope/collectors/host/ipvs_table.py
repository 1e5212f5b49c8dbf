"""IP virtual servers and the servers behind them, as the kernel lists them.

Source: /proc/net/ip_vs and /proc/net/ip_vs_stats, ipvsadm(8). Addresses, ports, marks and statistics are hexadecimal,
weights and connections decimal.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.hexadecimal import hex_uint64, hex_uint64s
from nodescope.kernel.number import uint64

MAX_BACKENDS: Final = 65_536
MAX_ADDRESSES: Final = 16_384

STATISTICS_LINE: Final = 2
STATISTICS: Final = 5
STATISTICS_LINES: Final = 3

_IPV4: Final = re.compile(rb"([0-9A-Fa-f]{8}):([0-9A-Fa-f]{4})")
_IPV6: Final = re.compile(rb"\[([0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{4}){7})\]:([0-9A-Fa-f]{4})")
_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV4_COMPATIBLE: Final = bytes(12)
_PROTO: Final = re.compile(rb"[A-Z][A-Za-z0-9_]*")
_HEADERS: Final = ((b"IP", b"Virtual"), (b"Prot", b"LocalAddress:Port"), (b"->", b"RemoteAddress:Port"))


class Service(NamedTuple):
    """What clients connect to: an address, or packets with a firewall mark."""

    proto: str
    local_address: str
    local_port: str
    local_mark: str


class Backend:
    """A server behind a service, as one line says; the same object as long as the line stays."""

    __slots__ = ("active", "inactive", "remote_address", "remote_port", "service", "weight")

    def __init__(self, service: Service, remote: tuple[str, str], weight: int, active: int, inactive: int) -> None:
        self.service = service
        self.remote_address, self.remote_port = remote
        self.weight = weight
        self.active = active
        self.inactive = inactive


def shown_ipv6(packed: bytes) -> str:
    """RFC 5952; one that stands for an IPv4 address is shown as that."""
    if packed.startswith(_IPV4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_IPV4_MAPPED) :])
    if packed.startswith(_IPV4_COMPATIBLE):
        # Otherwise the C library would show its end as an IPv4 address, which it no longer is (RFC 4291).
        high, low = int.from_bytes(packed[12:14], "big"), int.from_bytes(packed[14:], "big")
        return f"::{high:x}:{low:x}" if high else f"::{low:x}" if low else "::"
    return socket.inet_ntop(socket.AF_INET6, packed)


@lru_cache(maxsize=MAX_ADDRESSES)
def address_and_port(word: bytes) -> tuple[str, str] | None:
    """C0A80016:0CEA is 192.168.0.22 and 3306; [ADDRESS]:PORT with an IPv6 address in full is one too."""
    if match := _IPV4.fullmatch(word):
        shown = socket.inet_ntop(socket.AF_INET, bytes.fromhex(match[1].decode()))
    elif match := _IPV6.fullmatch(word):
        shown = shown_ipv6(bytes.fromhex(match[1].decode().replace(":", "")))
    else:
        return None
    return shown, str(int(match[2], 16))


def parse_statistics(data: bytes, source: str) -> list[int | None]:
    """Connections, packets in and out, bytes in and out; None for one that is no number. Raises `Malformed`."""
    lines = data.split(b"\n")
    words = lines[STATISTICS_LINE].split() if len(lines) > STATISTICS_LINES else []
    if len(words) != STATISTICS:
        raise Malformed(source, data, f"two lines of names and a line of {STATISTICS} hexadecimal numbers")
    return hex_uint64s(words)


Known = dict[Service, dict[bytes, Backend]]
"""The lines of backends behind each service."""


class Table(NamedTuple):
    """`backends` in the kernel's order; `known`: the same by their lines; `left_out`: how many lines are left out."""

    backends: list[Backend]
    known: Known
    left_out: int


def parse_table(data: bytes, source: str, before: Mapping[Service, dict[bytes, Backend]]) -> Table:
    """The backends, those of `before` where the line is the same. The backends of a service that is left out are, too.

    Raises `Malformed` where no line is as documented.
    """
    backends: list[Backend] = []
    known: Known = {}
    odd = 0
    good = False
    service: Service | None = None
    lines: dict[bytes, Backend] = {}
    same: dict[bytes, Backend] = {}
    for line in data.split(b"\n"):
        backend = same.get(line)
        if backend is None:
            words = line.split()
            if not words:
                continue
            if tuple(words[:2]) in _HEADERS:
                good = True
                continue
            if words[0] != b"->":
                service = _service(words)
                odd += service is None
                same, lines = before.get(service, {}) if service else {}, {}
                if service is not None:
                    good = True
                    lines = known.setdefault(service, lines)
                continue
            backend = _backend(words, service)
        if backend is None or len(backends) >= MAX_BACKENDS:
            odd += 1
            continue
        lines[line] = backend
        backends.append(backend)
    if not good and data.strip():
        raise Malformed(source, data, "lines of services, and lines with -> of the servers behind each")
    return Table(backends, known, odd)


def _service(words: list[bytes]) -> Service | None:
    if len(words) < 2:
        return None
    if words[0] == b"FWM":
        return None if hex_uint64(words[1]) is None else Service("FWM", "", "0", words[1].decode())
    local = address_and_port(words[1])
    # TCP and UDP, and SCTP and others that the kernel can balance as well.
    return None if local is None or not _PROTO.fullmatch(words[0]) else Service(words[0].decode(), *local, "")


def _backend(words: list[bytes], service: Service | None) -> Backend | None:
    if service is None or len(words) < 6:
        return None
    remote = address_and_port(words[1])
    weight, active, inactive = map(uint64, words[3:6])
    if remote is None or weight is None or active is None or inactive is None:
        return None
    return Backend(service, remote, weight, active, inactive)
