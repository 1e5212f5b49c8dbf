"""What programs say of RDMA devices, before it is put together into records."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from nodescope.devices.rdma.values import NODE_TYPES, PHYSICAL_STATES, STATES
from nodescope.records.rdma import RdmaDevice, RdmaPort

MAX_DEVICES: Final = 4096
MAX_PORTS: Final = 4096
MAX_COUNTERS: Final = 65_536

NODE_TYPE_WORDS: Final = {word.lower().replace(" ", "_"): word for word in NODE_TYPES.values()}
"""The program's word, in lower case, -> the kernel's."""

STATE_NUMBERS: Final = {word: number for number, word in STATES.items()}

PHYSICAL_NUMBERS: Final = {
    "SLEEP": 1,
    "POLLING": 2,
    "DISABLED": 3,
    "ARMED": 4,
    "LINK_UP": 5,
    "LINK_ERROR_RECOVER": 6,
    "PHY_TEST": 7,
}
"""The program's words -> enum ib_port_phys_state."""

LINK_LAYERS: Final = {"ib": "InfiniBand", "roce": "Ethernet", "iw": "Ethernet", "usnic": "Ethernet"}
"""A device's protocol -> what its links are."""

Known = TypeVar("Known", RdmaDevice, RdmaPort)


class Told:
    """What one program said: devices by name, ports by device and number.

    `left_out`: entries that could not be used.
    """

    __slots__ = ("devices", "left_out", "ports")

    def __init__(self) -> None:
        self.devices: dict[str, RdmaDevice] = {}
        self.ports: dict[tuple[str, int], RdmaPort] = {}
        self.left_out = 0

    def add(self, record: RdmaDevice | RdmaPort) -> None:
        """Adds a record, with what is known of the same thing already where it does not say so itself."""
        if isinstance(record, RdmaDevice):
            if record.name in self.devices or len(self.devices) < MAX_DEVICES:
                self.devices[record.name] = completed(record, self.devices.get(record.name))
                return
        else:
            key = record.device, record.port
            if key in self.ports or len(self.ports) < MAX_PORTS:
                self.ports[key] = completed(record, self.ports.get(key))
                return
        self.left_out += 1

    def add_all(self, other: Told) -> None:
        """Adds what another program said, where it is not known yet."""
        for device in other.devices.values():
            self.add(completed(self.devices.get(device.name) or device, device))
        for port in other.ports.values():
            self.add(completed(self.ports.get((port.device, port.port)) or port, port))
        self.left_out += other.left_out


def completed(record: Known, known: Known | None) -> Known:
    """`record`, and where it says nothing what is `known`."""
    if known is None or known is record:
        return record
    missing: dict[str, Any] = {
        field: value
        for field in record.__struct_fields__
        if getattr(record, field) in (None, ()) and (value := getattr(known, field)) not in (None, ())
    }
    return msgspec.structs.replace(record, **missing) if missing else record


def physical_word(number: int | None, word: str | None) -> str | None:
    """The kernel's word for a physical state."""
    return PHYSICAL_STATES.get(number, word) if number is not None else word
