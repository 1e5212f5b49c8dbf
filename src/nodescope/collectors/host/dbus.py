"""A client of D-Bus that asks and waits, never longer than until its deadline.

Source: D-Bus Specification, "Authentication Protocol" and "Message Bus Specification".
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from nodescope.collectors.host.dbus_wire import (
    ERROR,
    ERROR_NAME,
    FIXED_HEADER_BYTES,
    METHOD_RETURN,
    REPLY_SERIAL,
    Message,
    decode_message,
    encode_call,
    message_bytes,
)
from nodescope.host import Absent, Malformed
from nodescope.kernel.own_socket import OwnSocket

MAX_OPEN_CALLS: Final = 64
MAX_LINE_BYTES: Final = 4096
MAX_STRAY_MESSAGES: Final = 1000
RECEIVE_BYTES: Final = 65_536

BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"

_NOBODY: Final = frozenset(
    {f"{BUS}.Error.ServiceUnknown", f"{BUS}.Error.NameHasNoOwner", f"{BUS}.Error.Spawn.ServiceNotFound"}
)


class Call(NamedTuple):
    """A method call whose arguments are all strings."""

    path: str
    interface: str
    member: str
    words: tuple[str, ...] = ()


class CallFailed(Exception):
    """What was asked answered with an error; `args` are its name and text."""


class DBus:
    """A connection to what listens at `path`. Use as a context manager. Raises `Absent` where nothing is there.

    `destination`: the name on the bus that is asked; None where the other end is asked itself, without a bus.
    `deadline`: of time.monotonic(), for all that is done with the connection; past it is `TimeoutError`.
    """

    def __init__(self, path: str, destination: str | None, deadline: float) -> None:
        self._path = path
        self._destination = destination
        self._deadline = deadline
        self._serial = 0
        self._received = bytearray()
        self._socket = OwnSocket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)

    def __enter__(self) -> DBus:
        try:
            self._begin()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, call: Call) -> list[Any]:
        """The values that the method returns. Raises `CallFailed`, `Absent` where nobody has the destination's name."""
        (answer,) = self.call_all([call])
        if isinstance(answer, CallFailed):
            raise Absent(self._destination) if answer.args[0] in _NOBODY else answer
        return answer

    def call_all(self, calls: Sequence[Call]) -> list[list[Any] | CallFailed]:
        """What each of `calls` returns, in their order. `MAX_OPEN_CALLS` are under way at a time."""
        answers: list[list[Any] | CallFailed] = []
        for first in range(0, len(calls), MAX_OPEN_CALLS):
            answers += self._call_some(calls[first : first + MAX_OPEN_CALLS])
        return answers

    def _begin(self) -> None:
        self._wait()
        try:
            self._socket.connect(self._path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Absent(self._path) from error
        identity = str(os.geteuid()).encode().hex().encode()
        self._send(b"\0AUTH EXTERNAL " + identity + b"\r\n")
        answer = self._line()
        if not answer.startswith(b"OK "):
            raise PermissionError(f"{self._path}: user {os.geteuid()} is not let in: {answer[:80]!r}")
        self._send(b"BEGIN\r\n")
        if self._destination is not None:
            hello = encode_call(self._next_serial(), BUS, BUS_PATH, BUS, "Hello")
            self._send(hello)
            answers = self._answers({self._serial: 0})
            if isinstance(answers[0], CallFailed):
                raise answers[0]

    def _call_some(self, calls: Sequence[Call]) -> list[list[Any] | CallFailed]:
        order: dict[int, int] = {}
        messages = []
        for index, call in enumerate(calls):
            serial = self._next_serial()
            order[serial] = index
            messages.append(encode_call(serial, self._destination, call.path, call.interface, call.member, *call.words))
        self._send(b"".join(messages))
        answers = self._answers(order)
        return [answers[index] for index in range(len(calls))]

    def _answers(self, order: dict[int, int]) -> dict[int, list[Any] | CallFailed]:
        """The answers to all serials of `order`, by what they are numbered there. Signals are passed over."""
        answers: dict[int, list[Any] | CallFailed] = {}
        stray = 0
        while len(answers) < len(order):
            message = self._message()
            replied = message.fields.get(REPLY_SERIAL)
            index = order.get(replied) if isinstance(replied, int) else None
            if index is None or message.kind not in (METHOD_RETURN, ERROR):
                stray += 1
                if stray > MAX_STRAY_MESSAGES:
                    raise Malformed(self._path, "", f"at most {MAX_STRAY_MESSAGES} messages that nobody asked for")
            elif message.kind == METHOD_RETURN:
                answers[index] = message.body
            else:
                said = [value for value in message.body[:1] if isinstance(value, str)]
                answers[index] = CallFailed(str(message.fields.get(ERROR_NAME, "")), *said)
        return answers

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _message(self) -> Message:
        self._receive(FIXED_HEADER_BYTES)
        length = message_bytes(bytes(self._received[:FIXED_HEADER_BYTES]))
        self._receive(length)
        data = bytes(self._received[:length])
        del self._received[:length]
        return decode_message(data)

    def _line(self) -> bytes:
        while (end := self._received.find(b"\r\n")) < 0:
            if len(self._received) > MAX_LINE_BYTES:
                raise Malformed(self._path, bytes(self._received), "a line that ends")
            self._receive(len(self._received) + 1)
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def _receive(self, length: int) -> None:
        """Returns when `length` bytes at least have come."""
        while len(self._received) < length:
            self._wait()
            part = self._socket.recv(max(RECEIVE_BYTES, length - len(self._received)))
            if not part:
                raise ConnectionError(f"{self._path}: the other end closed the connection")
            self._received += part

    def _send(self, data: bytes) -> None:
        self._wait()
        self._socket.sendall(data)

    def _wait(self) -> None:
        """What comes next may take as long as is left until the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{self._path}: no answer in time")
        self._socket.settimeout(left)
