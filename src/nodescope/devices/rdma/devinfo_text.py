"""Output of `ibv_devinfo -v` (rdma-core).

Source: ibv_devinfo(1). Lines of a name, a colon and a value: a device's from `hca_id:` on, a port's from `port:` on. A
line that is none of those known here is passed over: there are dozens of limits.
"""

from __future__ import annotations

import re
from typing import Any, Final

from nodescope.devices.rdma.program_records import Told
from nodescope.devices.rdma.values import (
    BITS_OF_GIGABIT,
    MAX_GIGABITS,
    PHYSICAL_STATES,
    STATES,
    UINT8_MAX,
    UINT32_MAX,
    gid,
    guid,
    local_identifier,
    port_guid,
    words,
)
from nodescope.host import Malformed
from nodescope.kernel.number import decimal, uint64
from nodescope.records.rdma import RdmaDevice, RdmaPort

MAX_LINES: Final = 200_000
"""A port's table of GIDs may have hundreds of lines."""

DEVICE: Final = b"hca_id"
PORT: Final = b"port"
NO_DEVICE: Final = b"No IB devices found"

_TRANSPORTS: Final = {0: "CA", 1: "RNIC", 2: "usNIC", 3: "usNIC UDP"}
"""enum ibv_transport_type -> the kernel's type of node."""
_NUMBER: Final = re.compile(rb"\(([0-9]{1,3})\)\s*$")
_FIRST_GID: Final = re.compile(rb"GID\[ *0\]")
_LINK_LAYERS: Final = frozenset({"InfiniBand", "Ethernet"})


def parse(data: bytes, source: str, told: Told) -> None:
    """Adds devices and ports to `told`. Raises `Malformed` where there is text and no device in it."""
    fields: dict[bytes, bytes] = {}
    device: str | None = None
    port: int | None = None
    there = False
    for line in data.splitlines()[:MAX_LINES]:
        name, colon, value = line.strip().partition(b":")
        name, value = name.strip(), value.strip()
        if not colon or (name not in (DEVICE, PORT) and name in fields):
            continue
        if name in (DEVICE, PORT):
            _add(told, device, port, fields)
            fields = {}
            if name == DEVICE:
                there, device, port = True, words(value), None
                told.left_out += device is None
            else:
                number = uint64(value)
                port = number if number is not None and number <= UINT8_MAX else None
                if port is None:
                    told.left_out += 1
                    # Nothing below it is the device's.
                    device = None
        fields[b"GID" if _FIRST_GID.fullmatch(name) else name] = value
    _add(told, device, port, fields)
    if not there and data.strip() and NO_DEVICE not in data:
        raise Malformed(source, data, "hca_id: and a device's name")


def _add(told: Told, device: str | None, port: int | None, fields: dict[bytes, bytes]) -> None:
    if device is None:
        return
    told.add(_device(device, fields) if port is None else _port(device, port, fields))


def _device(name: str, fields: dict[bytes, bytes]) -> RdmaDevice:
    def said(field: bytes) -> str | None:
        return words(fields.get(field))

    return RdmaDevice(
        name=name,
        node_type=_TRANSPORTS.get(_number(fields, b"transport", UINT8_MAX)),  # type: ignore[arg-type]
        firmware_version=said(b"fw_ver"),
        hardware_version=(said(b"hw_ver") or "").removeprefix("0x").lower() or None,
        board_id=said(b"board_id"),
        node_guid=guid(said(b"node_guid")),
        sys_image_guid=guid(said(b"sys_image_guid")),
    )


def _port(device: str, port: int, fields: dict[bytes, bytes]) -> RdmaPort:
    state, physical = _number(fields, b"state", UINT8_MAX), _number(fields, b"phys_state", UINT8_MAX)
    layer = words(fields.get(b"link_layer"))
    # Since rdma-core 34 the kind of a GID stands behind it.
    first = words(fields.get(b"GID", b"").partition(b",")[0])
    known: dict[str, Any] = {}
    if state is not None:
        known["state"] = STATES.get(state)
    if physical is not None:
        known["physical_state"] = PHYSICAL_STATES.get(physical)
    return RdmaPort(
        device=device,
        port=port,
        link_layer=layer if layer in _LINK_LAYERS else None,
        state_value=state,
        physical_state_value=physical,
        rate_bits_per_second=_rate(fields),
        lid=local_identifier(fields.get(b"port_lid")),
        sm_lid=local_identifier(fields.get(b"sm_lid")),
        gid=gid(first),
        port_guid=port_guid(first),
        **known,
    )


def _number(fields: dict[bytes, bytes], field: bytes, limit: int) -> int | None:
    """The number in brackets behind a word."""
    found = _NUMBER.search(fields.get(field, b""))
    value = None if found is None else uint64(found[1])
    return value if value is not None and value <= limit else None


def _rate(fields: dict[bytes, bytes]) -> int | None:
    """Lanes times speed: `4X (2)` and `25.0 Gbps (32)`."""
    lanes, times, _ = fields.get(b"active_width", b"").partition(b"X")
    speed, unit, _ = fields.get(b"active_speed", b"").partition(b"Gbps")
    width, gigabits = uint64(lanes), decimal(speed.strip())
    if not times or not unit or width is None or gigabits is None or width > UINT32_MAX:
        return None
    rate = width * gigabits
    return round(rate * BITS_OF_GIGABIT) if 0 <= rate <= MAX_GIGABITS else None
