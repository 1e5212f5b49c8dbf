"""Tables of TCP sockets, and those of this machine."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given

from nodescope.host import Absent, Malformed
from nodescope.kernel.listening import CHUNK_BYTES, Socket, Table, parse, read
from tests.collectors.host.machine import mangled

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "{:4d}: {}:{:04X} 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 1528 1 0 100 0 0 10 0\n"
LITTLE = sys.byteorder == "little"
ADDRESSES = {
    "00000000": "wildcard",
    "0100007F" if LITTLE else "7F000001": "loopback",
    "0B0A000A" if LITTLE else "0A000A0B": "specific",
    "00000000" * 4: "wildcard",
    "00000000" * 3 + ("01000000" if LITTLE else "00000001"): "loopback",
    "00000000" * 2 + ("FFFF0000" if LITTLE else "0000FFFF") + ("0200007F" if LITTLE else "7F000002"): "loopback",
    "00000000" * 2 + ("FFFF0000" if LITTLE else "0000FFFF") + "00000000": "wildcard",
    "000080FE" * 4: "specific",
}


def rows(*said: tuple[str, int, str]) -> str:
    return "".join(ROW.format(number, *row) for number, row in enumerate(said))


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address(address: str) -> None:
    """Of either family, in the machine's byte order: all addresses, the machine's own, or one that others reach."""
    table = parse(rows((address, 8080, "0A")).encode().splitlines())
    assert table == Table(frozenset({Socket(8080, ADDRESSES[address])}), 0, False)


def test_only_those_that_listen() -> None:
    """A socket in another state is none, and several on one port are one."""
    data = HEADING + rows(
        ("00000000", 22, "0A"), ("00000000", 22, "0A"), ("0100007F", 5000, "01"), ("00000000", 1, "06")
    )
    assert parse(data.encode().splitlines()) == Table(frozenset({Socket(22, "wildcard")}), 0, True)


@pytest.mark.parametrize(
    "row",
    [
        "x", "   0: 00000000:0016 00000000:0000", "   0: 00000000 00000000:0000 0A", "   0: 000000:0016 0:0 0A",
        "   0: 0000000G:0016 0:0 0A", "   0: 00000000:00016 0:0 0A", "   0: 00000000:-016 0:0 0A",
        "   0: 00000000:0016 0:0 LISTEN",
    ],
)  # fmt: skip
def test_a_malformed_row(row: str) -> None:
    """It is passed over and counted."""
    table = parse(f"{row}\n{rows(('00000000', 22, '0A'))}".encode().splitlines())
    assert table == Table(frozenset({Socket(22, "wildcard")}), 1, False)


def test_a_long_table(tmp_path: Path) -> None:
    """It is read in pieces, as far as there are sockets that listen."""
    ports = range(1, 2001)
    busy = rows(*(("0100007F", port, "01") for port in ports))
    assert len(busy) > 3 * CHUNK_BYTES
    file = tmp_path / "tcp"
    file.write_text(HEADING + rows(*(("00000000", port, "0A") for port in ports)) + busy + "and then no table\n")
    table = read(str(file))
    assert table == Table(frozenset(Socket(port, "wildcard") for port in ports), 0, True)


def test_what_is_no_table(tmp_path: Path) -> None:
    """A file without a heading is refused; one that is not there is absent."""
    (tmp_path / "tcp").write_text("22\n")
    with pytest.raises(Malformed, match="expected a heading"):
        read(str(tmp_path / "tcp"))
    with pytest.raises(Absent):
        read(str(tmp_path / "tcp6"))
    with pytest.raises(OSError, match="directory"):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("family", "address", "file"), [(socket.AF_INET, "127.0.0.1", "tcp"), (socket.AF_INET6, "::1", "tcp6")]
)
def test_this_machine(family: socket.AddressFamily, address: str, file: str) -> None:
    """A port that is listened on here is in the kernel's table, with its address."""
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {file} here: {error}")
    with listener:
        table = read(f"/proc/self/net/{file}")
        assert Socket(listener.getsockname()[1], "loopback") in table.sockets
        assert table.malformed == 0


@given(mangled((HEADING + rows(("0100007F", 22, "0A"), ("00000000", 80, "01"))).encode()))
def test_any_bytes(data: bytes) -> None:
    """No bytes make an error, and a port is one."""
    table = parse(data.split(b"\n"))
    assert all(0 <= port <= 65535 for port, _ in table.sockets)
    assert table.malformed >= 0
