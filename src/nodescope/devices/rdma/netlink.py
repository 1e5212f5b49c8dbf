"""RDMA devices over the RDMA subsystem's netlink: the numbers that the kernel gives them, and what else it tells.

Source: include/uapi/rdma/rdma_netlink.h, RDMA_NLDEV_CMD_GET; drivers/infiniband/core/nldev.c. The only source of a
device's index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.devices.rdma.values import NODE_TYPES, guid, words
from nodescope.host import Malformed
from nodescope.kernel.netlink import NetlinkSocket, Question, attributes

SOURCE: Final = "RDMA netlink"
DUMP_SECONDS: Final = 0.5
MAX_DEVICES: Final = 4096

NETLINK_RDMA: Final = 20
_NLDEV_CLIENT, _GET = 5, 1
GET_DEVICE: Final = _NLDEV_CLIENT << 10 | _GET
"""A message's type is the client's number and the command's."""

INDEX, NAME, FIRMWARE, NODE_GUID, SYS_IMAGE_GUID, NODE_TYPE = 1, 2, 5, 6, 7, 14
_WANTED: Final = frozenset({INDEX, NAME, FIRMWARE, NODE_GUID, SYS_IMAGE_GUID, NODE_TYPE})
_DEVICES: Final = Question(GET_DEVICE, GET_DEVICE, b"")

_U32: Final = struct.Struct("=I")
_U64: Final = struct.Struct("=Q")


class KernelDevice(NamedTuple):
    """What the subsystem says of a device. `number`: its index there."""

    name: str
    number: int
    node_type: str | None
    firmware_version: str | None
    node_guid: str | None
    sys_image_guid: str | None


def parse_device(payload: bytes) -> KernelDevice:
    """A message RDMA_NLDEV_CMD_GET. Raises `Malformed`."""
    found = attributes(payload, 0, SOURCE, _WANTED)
    name, index = words(found.get(NAME)), found.get(INDEX, b"")
    if name is None or len(index) != _U32.size:
        raise Malformed(SOURCE, payload, "a device's name and index")
    kind = found.get(NODE_TYPE, b"")
    return KernelDevice(
        name=name,
        number=_U32.unpack(index)[0],
        node_type=NODE_TYPES.get(kind[0]) if kind else None,
        firmware_version=words(found.get(FIRMWARE)),
        node_guid=_guid(found.get(NODE_GUID, b"")),
        sys_image_guid=_guid(found.get(SYS_IMAGE_GUID, b"")),
    )


def _guid(data: bytes) -> str | None:
    if len(data) != _U64.size:
        return None
    digits = f"{_U64.unpack(data)[0]:016x}"
    return guid(":".join(digits[start : start + 4] for start in range(0, len(digits), 4)))


def by_name(payloads: Iterator[bytes]) -> dict[str, KernelDevice]:
    """Name -> device. Raises `Malformed`."""
    found: dict[str, KernelDevice] = {}
    for payload in payloads:
        device = parse_device(payload)
        if len(found) < MAX_DEVICES:
            found[device.name] = device
    return found


class RdmaSocket(NetlinkSocket):
    """Asks the kernel for its RDMA devices.

    To open it may have the kernel load its RDMA core: only where there is a device already. A dump takes
    `DUMP_SECONDS` at most. Raises `OSError`, `Malformed`, `Interrupted`.
    """

    def __init__(self) -> None:
        super().__init__(NETLINK_RDMA, SOURCE, DUMP_SECONDS)

    def devices(self) -> dict[str, KernelDevice]:
        return self.dump(_DEVICES, by_name)
