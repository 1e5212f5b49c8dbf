"""Netlink messages as the kernel writes them, and a socket that hears what a test wrote."""

from __future__ import annotations

import socket
import struct

from nodescope.kernel.netlink import NetlinkSocket

ERROR, DONE = 2, 3
INTERRUPTED = 0x10


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, payload: bytes = b"", sequence: int = 1, flags: int = 2) -> bytes:
    body = payload + bytes(-len(payload) % 4)
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + body


class Answers(NetlinkSocket):
    """A socket that asks the kernel, and hears what is written here."""

    def __init__(self, *answers: bytes | OSError | Exception) -> None:
        super().__init__(socket.NETLINK_ROUTE, "rtnetlink", 1.0)
        self.answers = list(answers)

    def _receive(self, asked: socket.socket, deadline: float) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer
