"""TCP sockets of the kernel, over sock_diag.

Source: sock_diag(7), include/uapi/linux/inet_diag.h (struct inet_diag_req_v2, struct inet_diag_msg).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final

from nodescope.host import Absent, Malformed
from nodescope.kernel.netlink import NetlinkSocket, Question

SOURCE: Final = "sock_diag"
DUMP_SECONDS: Final = 3.0

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_ALL_STATES: Final = 0xFFF
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP})

_REQUEST: Final = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states, no socket in particular
_MESSAGE: Final = struct.Struct("=xB54xII8x")  # state, receive queue, send queue

Tally = dict[int, tuple[int, int, int]]
"""State -> how many sockets are in it, bytes in their receive queues, bytes in their send queues."""


def tally(payloads: Iterator[bytes]) -> Tally:
    """Raises `Malformed`."""
    found: Tally = {}
    unpack, size = _MESSAGE.unpack_from, _MESSAGE.size
    for payload in payloads:
        if len(payload) < size:
            raise Malformed(SOURCE, payload, "a struct inet_diag_msg of 72 bytes")
        state, received, sent = unpack(payload)
        number, receive_queue, send_queue = found.get(state, (0, 0, 0))
        found[state] = number + 1, receive_queue + received, send_queue + sent
    return found


class TcpSockets:
    """Asks the kernel for its TCP sockets."""

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(_NETLINK_SOCK_DIAG, SOURCE, DUMP_SECONDS)

    def tally(self, family: socket.AddressFamily) -> Tally:
        """Raises `Absent` where the kernel cannot tell."""
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES)
        try:
            return self._netlink.dump(Question(_SOCK_DIAG_BY_FAMILY, _SOCK_DIAG_BY_FAMILY, body), tally)
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise Absent(SOURCE) from error
            raise

    def close(self) -> None:
        self._netlink.close()
