"""What drivers write when they are asked through SIOCETHTOOL, and a socket whose drivers are written in a test."""

from __future__ import annotations

import array
import errno
import os
import struct
from typing import NamedTuple

from nodescope.kernel.ethtool_ioctl import EthtoolSocket

GSET, GDRVINFO, GSTRINGS, GSTATS, GLINKSETTINGS = 0x1, 0x3, 0x1B, 0x1D, 0x4C
WORDS = 3


def driver(*texts: str | bytes, statistics: int = 0) -> bytes:
    """Driver, version, firmware, bus, ROM; struct ethtool_drvinfo."""
    raw = [value.encode() if isinstance(value, str) else value for value in (*texts, *[""] * 5)][:5]
    return struct.pack("=I32s32s32s32s32s12xIIIII", GDRVINFO, *raw, 0, statistics, 0, 0, 0)


def link(supported: int, advertised: int = 0, autonegotiation: int = 0, words: int = WORDS) -> bytes:
    """struct ethtool_link_settings with its masks."""
    base = struct.pack("=IIBBBBBBBbBBBB28x", GLINKSETTINGS, 1000, 1, 0, 0, autonegotiation, 0, 0, 0, words, 0, 0, 0, 0)
    masks = [mask >> 32 * word & 0xFFFFFFFF for mask in (supported, advertised, 0) for word in range(words)]
    return base + struct.pack(f"={len(masks)}I", *masks)


def older_link(supported: int, advertised: int = 0, autonegotiation: int = 0) -> bytes:
    """struct ethtool_cmd."""
    head = struct.pack("=IIIHBBBBBB", GSET, supported, advertised, 1000, 1, 0, 0, 0, autonegotiation, 0)
    return head + bytes(24)


def names(*statistics: str | bytes) -> bytes:
    raw = [name if isinstance(name, bytes) else name.encode() for name in statistics]
    return b"".join(struct.pack("32s", name) for name in raw)


class Device(NamedTuple):
    """Answers by command; a number of an error where the driver refuses."""

    link: bytes | int = errno.EOPNOTSUPP
    driver: tuple[str | bytes, ...] | int = errno.EOPNOTSUPP
    statistics: dict[str | bytes, int] | int = {}  # noqa: RUF012
    older_link: bytes | int = errno.EOPNOTSUPP


class Drivers(EthtoolSocket):
    """A kernel with these devices. What it writes is as long as it likes, as the kernel's is."""

    def __init__(self, **devices: Device) -> None:
        super().__init__()
        self.devices = devices
        self.asked: list[tuple[str, int]] = []

    def _call(self, device: bytes, data: array.array[int]) -> None:
        command = struct.unpack_from("=I", data)[0]
        self.asked.append((os.fsdecode(device), command))
        found = self.devices.get(os.fsdecode(device))
        answer = errno.ENODEV if found is None else self.answer(found, command, data)
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        data[: len(answer)] = array.array("B", answer)

    def answer(self, found: Device, command: int, data: array.array[int]) -> bytes | int:
        given = found.statistics
        if command == GLINKSETTINGS:
            words = struct.unpack_from("=b", data, 15)[0]
            return link(0, words=0)[:15] + struct.pack("=b", -WORDS) if words != WORDS else found.link
        if command == GSET:
            return found.older_link
        if command == GDRVINFO:
            number = 2 if isinstance(given, int) else len(given)
            return found.driver if isinstance(found.driver, int) else driver(*found.driver, statistics=number)
        if isinstance(given, int):
            return given
        if command == GSTRINGS:
            return struct.pack("=III", command, 1, len(given)) + names(*given)
        return struct.pack(f"=II{len(given)}Q", command, len(given), *given.values())
