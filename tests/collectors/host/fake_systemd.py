"""A systemd made of Python that answers on D-Bus: at its own socket, or by way of a real bus."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodescope.collectors.host.dbus_wire import FIXED_HEADER_BYTES, Message, decode_message, message_bytes

NAME = "org.freedesktop.systemd1"
ALIGNMENT = {"y": 1, "g": 1, "v": 1, "(": 8, "{": 8, "t": 8, "x": 8, "d": 8}
NUMBERS = {"y": "B", "u": "I", "b": "I", "t": "Q", "x": "q", "i": "i", "d": "d"}


def types(signature: str) -> list[str]:
    """Its complete types."""
    found, at = [], 0
    while at < len(signature):
        end = at
        while signature[end] == "a":
            end += 1
        depth = 0
        while True:
            depth += (signature[end] in "({") - (signature[end] in ")}")
            end += 1
            if not depth:
                break
        found.append(signature[at:end])
        at = end
    return found


def encode(signature: str, values: list[Any], order: str = "<", at: int = 0) -> bytes:
    """Values as D-Bus has them, beginning at an offset of `at`; a variant is a pair of signature and value."""
    out = b""
    for kind, value in zip(types(signature), values, strict=True):
        out += bytes(-(at + len(out)) % ALIGNMENT.get(kind[0], 4))
        here = at + len(out)
        if kind in NUMBERS:
            out += struct.pack(order + NUMBERS[kind], value)
        elif kind in ("s", "o"):
            out += struct.pack(f"{order}I", len(value.encode())) + value.encode() + b"\0"
        elif kind == "g":
            out += bytes((len(value),)) + value.encode() + b"\0"
        elif kind == "v":
            out += encode("g", [value[0]], order, here)
            out += encode(value[0], [value[1]], order, at + len(out))
        elif kind[0] in "({":
            out += encode(kind[1:-1], list(value), order, here)
        else:
            gap = bytes(-(here + 4) % ALIGNMENT.get(kind[1], 4))
            inside = b""
            for one in value:
                inside += encode(kind[1:], [one], order, here + 4 + len(gap) + len(inside))
            out += struct.pack(f"{order}I", len(inside)) + gap + inside
    return out


def message(
    kind: int, fields: dict[int, tuple[str, Any]], signature: str, values: list[Any], order: str = "<", serial: int = 1
) -> bytes:
    """A whole message; `fields`: header fields, each with its type, but for the signature."""
    body = encode(signature, values, order)
    found = {**fields, **({8: ("g", signature)} if signature else {})}
    header = encode("a(yv)", [list(found.items())], order, FIXED_HEADER_BYTES - 4)
    start = (b"l" if order == "<" else b"B") + bytes((kind, 0, 1)) + struct.pack(f"{order}II", len(body), serial)
    return start + header + bytes(-len(start + header) % 8) + body


class Stream:
    """The messages that come from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""

    def line(self) -> bytes:
        while b"\r\n" not in self.received:
            self._more()
        line, _, self.received = self.received.partition(b"\r\n")
        return line

    def next(self) -> tuple[int, Message]:
        """The serial number of a message, and the message."""
        while len(self.received) < FIXED_HEADER_BYTES or len(self.received) < message_bytes(self.received[:16]):
            self._more()
        length = message_bytes(self.received[:16])
        data, self.received = self.received[:length], self.received[length:]
        (serial,) = struct.unpack_from("<I" if data[:1] == b"l" else ">I", data, 8)
        return serial, decode_message(data)

    def _more(self) -> None:
        part = self.connection.recv(65536)
        if not part:
            raise EOFError
        self.received += part


class FakeSystemd:
    """`units`: as ListUnits tells them. `properties`: (path, interface, name) -> signature and value."""

    def __init__(self) -> None:
        self.units: list[tuple[Any, ...]] = []
        self.properties: dict[tuple[str, str, str], tuple[str, Any]] = {}
        self.order = "<"
        self.asked: list[str] = []

    def unit(self, name: str, active: str = "active", load: str = "loaded", **properties: tuple[str, str, Any]) -> None:
        """`properties`: name -> interface, signature, value."""
        path = "/org/freedesktop/systemd1/unit/" + "".join(c if c.isalnum() else f"_{ord(c):02x}" for c in name)
        self.units.append((name, "What it is", load, active, "running", "", path, 0, "", "/"))
        for key, (interface, signature, value) in properties.items():
            self.properties[path, f"{NAME}.{interface}", key] = (signature, value)

    def manager(self, **properties: str) -> None:
        for key, value in properties.items():
            self.properties["/org/freedesktop/systemd1", f"{NAME}.Manager", key] = ("s", value)

    def answer(self, serial: int, call: Message) -> bytes:
        member = call.fields[3]
        fields: dict[int, tuple[str, Any]] = {5: ("u", serial)}
        if 7 in call.fields:
            fields[6] = ("s", call.fields[7])
        if member == "Hello":
            return message(2, fields, "s", [":1.7"], self.order)
        if member == "ListUnits":
            self.asked.append(member)
            return message(2, fields, "a(ssssssouso)", [self.units], self.order)
        interface, name = call.body
        self.asked.append(name)
        found = self.properties.get((call.fields[1], interface, name))
        if found is None:
            fields[4] = ("s", "org.freedesktop.DBus.Error.UnknownProperty")
            return message(3, fields, "s", ["no such property"], self.order)
        return message(2, fields, "v", [found], self.order)

    @contextlib.contextmanager
    def listening(self, path: Path) -> Iterator[None]:
        """Serves whoever connects to `path`, as a bus or systemd's own socket would."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            thread = threading.Thread(target=self._accept, args=(listener,))
            thread.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()
                path.unlink()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(EOFError, OSError):
                    self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        stream = Stream(connection)
        assert stream.line().startswith(b"\0AUTH EXTERNAL ")
        connection.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
        assert stream.line() == b"BEGIN"
        # A bus tells every newcomer its name, with a signal that nobody asked for.
        connection.sendall(
            message(4, {1: ("o", "/"), 2: ("s", "x.y"), 3: ("s", "NameAcquired")}, "s", [":1.7"], self.order)
        )
        while True:
            connection.sendall(self.answer(*stream.next()))
