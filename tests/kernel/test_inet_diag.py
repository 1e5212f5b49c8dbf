from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given

from nodescope.host import Absent, Malformed
from nodescope.kernel.inet_diag import TcpSockets, tally
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import attribute

ESTABLISHED, LISTEN = 1, 10


def tcp(state: int, receive_queue: int = 0, send_queue: int = 0) -> bytes:
    identity = struct.pack("=HH16s16sI8s", 80, 4711, bytes(16), bytes(16), 2, bytes(8))
    head = struct.pack("=BBBB", socket.AF_INET, state, 0, 0)
    return head + identity + struct.pack("=IIIII", 9, receive_queue, send_queue, 1000, 77) + attribute(8, b"\0")


SAMPLE = tcp(ESTABLISHED, 5, 2**32 - 1)


def test_tally() -> None:
    """How many sockets are in each state, and what is in their queues."""
    payloads = [SAMPLE, tcp(ESTABLISHED, 1, 1), tcp(LISTEN, 0, 128)]
    assert tally(iter(payloads)) == {ESTABLISHED: (2, 6, 2**32), LISTEN: (1, 0, 128)}


def test_malformed() -> None:
    """A message that is too short is refused."""
    with pytest.raises(Malformed, match="sock_diag: expected a struct inet_diag_msg"):
        tally(iter([bytes(71)]))


def test_this_machine() -> None:
    """A listening socket of this machine is there with its backlog, asked for over the same socket again."""
    sockets = TcpSockets()
    try:
        sockets.tally(socket.AF_INET)
    except (Absent, OSError) as error:
        pytest.skip(f"no sock_diag here: {error}")
    with socket.create_server(("127.0.0.1", 0), backlog=7):
        listening, _, backlog = sockets.tally(socket.AF_INET)[LISTEN]
        assert listening >= 1
        assert backlog >= 7
    sockets.close()


@given(mangled(SAMPLE))
def test_any_payload(payload: bytes) -> None:
    """Whatever a message holds, it is read or refused."""
    parses_or_refuses(lambda: tally(iter([payload])))
