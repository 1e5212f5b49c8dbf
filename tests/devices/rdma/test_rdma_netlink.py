"""RDMA devices over netlink, as the kernel writes its messages."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given

from nodescope.devices.rdma.netlink import (
    FIRMWARE,
    GET_DEVICE,
    INDEX,
    NAME,
    NETLINK_RDMA,
    NODE_GUID,
    NODE_TYPE,
    SYS_IMAGE_GUID,
    KernelDevice,
    RdmaSocket,
    by_name,
    parse_device,
)
from nodescope.host import Malformed
from nodescope.kernel.netlink import messages
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.netlink_messages import attribute, message

DEVICE = (
    attribute(INDEX, struct.pack("=I", 2))
    + attribute(NAME, b"mlx5_0\0")
    + attribute(3, struct.pack("=I", 1))
    + attribute(FIRMWARE, b"28.39.2048\0")
    + attribute(NODE_GUID, struct.pack("=Q", 0xA088C203005AF21E))
    + attribute(SYS_IMAGE_GUID, bytes(8))
    + attribute(NODE_TYPE, b"\1")
)
KNOWN = KernelDevice("mlx5_0", 2, "CA", "28.39.2048", "a088:c203:005a:f21e", None)


def test_a_device() -> None:
    """Index, kind, firmware and GUIDs; one that was never set is unknown."""
    assert parse_device(DEVICE) == KNOWN
    assert parse_device(attribute(INDEX, bytes(4)) + attribute(NAME, b"rxe0\0")) == KernelDevice(
        "rxe0", 0, None, None, None, None
    )


def test_a_dump() -> None:
    """The messages of a dump are devices by name."""
    data = message(GET_DEVICE, DEVICE) + message(GET_DEVICE, DEVICE.replace(b"mlx5_0", b"mlx5_1"))
    found = by_name(payload for _, _, payload in messages(data, 1, "test"))
    assert found == {"mlx5_0": KNOWN, "mlx5_1": KNOWN._replace(name="mlx5_1")}


@pytest.mark.parametrize("payload", [b"", attribute(NAME, b"x\0"), attribute(INDEX, b"12") + attribute(NAME, b"x\0")])
def test_malformed(payload: bytes) -> None:
    """A device without a name or an index is none."""
    with pytest.raises(Malformed, match="RDMA netlink: expected"):
        parse_device(payload)


@given(mangled(DEVICE))
def test_any_bytes(payload: bytes) -> None:
    """Any bytes are a device, or refused."""
    parses_or_refuses(lambda: parse_device(payload))


def test_this_machine() -> None:
    """The kernel tells, or says that it has no RDMA."""
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA).close()
    except OSError as error:
        pytest.skip(f"no RDMA in this kernel: {error}")
    asked = RdmaSocket()
    assert all(device.number >= 0 for device in asked.devices().values())
    asked.close()
