"""Sockets that close themselves."""

from __future__ import annotations

import gc
import os
import socket

import pytest

from nodescope.kernel.own_socket import OwnSocket


class Holder:
    """Refers to itself, and has a socket that was there before it."""

    def __init__(self, held: socket.socket) -> None:
        self.me, self.held = self, held

    def __del__(self) -> None:
        self.held.close()


def test_garbage_closes_it() -> None:
    """One that is part of a cycle is closed when that is taken apart, and no warning says that it was not."""
    held = OwnSocket(socket.AF_UNIX, socket.SOCK_DGRAM)
    descriptor = held.fileno()
    Holder(held)
    del held
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_one_that_cannot_be() -> None:
    """A family that the kernel has not is an error and nothing else."""
    with pytest.raises(OSError, match="not supported"):
        OwnSocket(0xFFFF)
