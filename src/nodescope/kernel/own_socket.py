"""A socket for whoever keeps it open for as long as he is there himself."""

from __future__ import annotations

import socket


class OwnSocket(socket.socket):
    """Closes itself with its last reference, in whatever order Python takes garbage apart, and without its warning."""

    __slots__ = ()

    def __del__(self) -> None:
        # Not the close of socket.socket, which fails where its __init__ has failed.
        super(socket.socket, self).close()
