"""What attributes of RDMA devices say, as numbers and words. All give None for bytes that are no such value.

Source: Documentation/ABI/stable/sysfs-class-infiniband; drivers/infiniband/core/sysfs.c for the words.
"""

from __future__ import annotations

import re
import socket
from typing import Final

from nodescope.host import text
from nodescope.kernel.number import decimal, uint64, uint64_any_base
from nodescope.kernel.printable import printable

MAX_TEXT_CHARACTERS: Final = 128
MAX_VALUE_BYTES: Final = 128
UINT8_MAX: Final = 2**8 - 1
UINT32_MAX: Final = 2**32 - 1
MAX_GIGABITS: Final = 1_000_000

BITS_OF_GIGABIT: Final = 1_000_000_000

_GUID: Final = re.compile(r"[0-9a-f]{4}(?::[0-9a-f]{4}){3}")
_GID: Final = re.compile(r"[0-9a-f:.]{2,45}")
_GROUP_BYTES: Final = 2
_OF_IPV4: Final = b"\0" * 10 + b"\xff\xff"
_NOTHING: Final = frozenset("0:")

NODE_TYPES: Final = {
    1: "CA",
    2: "switch",
    3: "router",
    4: "RNIC",
    5: "usNIC",
    6: "usNIC UDP",
    7: "unspecified",
}
"""enum rdma_node_type -> the word in node_type."""

STATES: Final = {0: "NOP", 1: "DOWN", 2: "INIT", 3: "ARMED", 4: "ACTIVE", 5: "ACTIVE_DEFER"}
"""enum ib_port_state -> the word in state."""

PHYSICAL_STATES: Final = {
    1: "Sleep",
    2: "Polling",
    3: "Disabled",
    4: "PortConfigurationTraining",
    5: "LinkUp",
    6: "LinkErrorRecover",
    7: "Phy Test",
}
"""enum ib_port_phys_state -> the word in phys_state."""


def words(raw: bytes | None) -> str | None:
    """One line of text, bounded, with a question mark for what cannot be printed. None where there is none."""
    if raw is None:
        return None
    # What stands behind a NUL is what the driver forgot to clear.
    line = text(raw.partition(b"\0")[0][: 4 * MAX_TEXT_CHARACTERS]).strip()[:MAX_TEXT_CHARACTERS]
    return printable(line) or None


def number_and_word(raw: bytes | None) -> tuple[int | None, str | None]:
    """`4: ACTIVE`. The word is None where the kernel knows none."""
    number, colon, word = (raw or b"")[:MAX_VALUE_BYTES].partition(b":")
    value = uint64(number.strip()) if colon else None
    if value is None or value > UINT8_MAX:
        return None, None
    named = words(word)
    return value, None if named is None or named.startswith("<") else named


def rate(raw: bytes | None) -> int | None:
    """Bits per second of `400 Gb/sec (4X NDR)`."""
    number, blank, unit = (raw or b"")[:MAX_VALUE_BYTES].partition(b" ")
    if not blank or not unit.startswith(b"Gb/sec"):
        return None
    gigabits = decimal(number.strip())
    if gigabits is None or not 0 <= gigabits <= MAX_GIGABITS:
        return None
    return round(gigabits * BITS_OF_GIGABIT)


def counter(raw: bytes) -> int | None:
    """A counter's value: 64 bits, of either base."""
    return uint64_any_base(raw[:MAX_VALUE_BYTES].strip())


def local_identifier(raw: bytes | None) -> int | None:
    """`0x6`."""
    value = uint64_any_base((raw or b"")[:MAX_VALUE_BYTES].strip())
    return value if value is not None and value <= UINT32_MAX else None


def guid(written: str | None) -> str | None:
    """ "0011:2233:4455:6677", in lower case; None for one that was never set."""
    lower = (written or "").strip().lower()
    return lower if _GUID.fullmatch(lower) and set(lower) - _NOTHING else None


def gid(written: str | None) -> str | None:
    """ "fe80:0000:0000:0000:0011:2233:4455:6677", also of one written short; None for one that is not set."""
    packed = _packed(written)
    return None if packed is None or not any(packed) else packed.hex(":", _GROUP_BYTES)


def port_guid(written: str | None) -> str | None:
    """The lower half of a GID, which is the port's GUID; None for a GID made of an IPv4 address, which has none."""
    packed = _packed(written)
    if packed is None or packed.startswith(_OF_IPV4):
        return None
    return guid(packed[len(packed) // 2 :].hex(":", _GROUP_BYTES))


def _packed(written: str | None) -> bytes | None:
    lower = (written or "").strip().lower()
    try:
        return socket.inet_pton(socket.AF_INET6, lower) if _GID.fullmatch(lower) else None
    except OSError:
        return None
