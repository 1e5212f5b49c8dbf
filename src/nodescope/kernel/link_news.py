"""Whether the kernel's links have changed in anything, names too, without asking for them.

Source: rtnetlink(7), RTNLGRP_LINK of include/uapi/linux/rtnetlink.h.
"""

from __future__ import annotations

import select
import socket
from typing import Final

from nodescope.kernel.own_socket import OwnSocket

RTMGRP_LINK: Final = 1
ROOM_BYTES: Final = 4096
"""One piece of news is enough: what finds no room is an error, which is news too."""


class LinkNews:
    """A socket on which the kernel tells of links; opened anew after each news, before anyone looks at what it is."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._poll = select.poll()

    def there_are(self) -> bool:
        """Whether there may be news since the last call: always the first time, never where the kernel tells none."""
        if self._socket is not None:
            if not self._poll.poll(0):
                return False
            self._socket.close()
        try:
            self._socket = _open()
        except OSError:
            self._socket = None
            return False  # as without this, names are asked for now and then
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        return True


def _open() -> socket.socket:
    opened = OwnSocket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
        opened.bind((0, RTMGRP_LINK))
    except OSError:
        opened.close()
        raise
    return opened
