"""What drivers of network devices tell through SIOCETHTOOL.

Source: include/uapi/linux/ethtool.h (struct ethtool_drvinfo, ethtool_link_settings, ethtool_cmd, ethtool_gstrings,
ethtool_stats), netdevice(7). Numbers are in the byte order of the machine.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.own_socket import OwnSocket

SOURCE: Final = "ethtool"
MAX_NAME_BYTES: Final = 15
MAX_STATISTICS: Final = 32_768
NAME_BYTES: Final = 32
MAX_MASK_WORDS: Final = 127

_SIOCETHTOOL: Final = 0x8946
_GSET, _GDRVINFO, _GSTRINGS, _GSTATS, _GLINKSETTINGS = 0x1, 0x3, 0x1B, 0x1D, 0x4C
_SS_STATS: Final = 1

_REQUEST: Final = struct.Struct("@16sP16x")  # struct ifreq: name, where the data is
_COMMAND: Final = struct.Struct("=I")
_DRIVER: Final = struct.Struct("=I32s32s32s32s32s16xI12x")  # command, driver, version, firmware, bus, ROM, statistics
_LINK: Final = struct.Struct("=I7xB3xb32x")  # command, autonegotiation, words of each mask
_OLDER_LINK: Final = struct.Struct("=III6xB25x")  # command, supported, advertising, autonegotiation
_STRINGS: Final = struct.Struct("=III")  # command, set, number
_STATISTICS: Final = struct.Struct("=II")  # command, number


class Driver(NamedTuple):
    """`statistics`: how many the device has."""

    driver: str
    version: str
    firmware_version: str
    bus_info: str
    expansion_rom_version: str
    statistics: int


class Link(NamedTuple):
    """What a link can do and offers to its partner, as masks (see link_modes)."""

    supported: int
    advertised: int
    autonegotiation: int


def parse_driver(data: bytes) -> Driver:
    """A struct ethtool_drvinfo. Raises `Malformed`."""
    if len(data) < _DRIVER.size:
        raise Malformed(SOURCE, data, f"a struct ethtool_drvinfo of {_DRIVER.size} bytes")
    _, *texts, statistics = _DRIVER.unpack_from(data)
    driver, version, firmware, bus, rom = (text(raw.partition(b"\0")[0]) for raw in texts)
    return Driver(driver, version, firmware, bus, rom, statistics)


def parse_link(data: bytes) -> Link:
    """A struct ethtool_link_settings with its masks, or the older struct ethtool_cmd. Raises `Malformed`."""
    if data[:4] == _COMMAND.pack(_GSET) and len(data) >= _OLDER_LINK.size:
        _, supported, advertised, autonegotiation = _OLDER_LINK.unpack_from(data)
        return Link(supported, advertised, autonegotiation)
    if len(data) >= _LINK.size:
        _, autonegotiation, words = _LINK.unpack_from(data)
        if words > 0 and len(data) >= _LINK.size + 8 * words:
            masks = struct.unpack_from(f"={2 * words}I", data, _LINK.size)
            return Link(_mask(masks[:words]), _mask(masks[words:]), autonegotiation)
    raise Malformed(SOURCE, data, "a struct ethtool_link_settings and its masks")


def _mask(words: tuple[int, ...]) -> int:
    return sum(word << 32 * position for position, word in enumerate(words))


def parse_names(data: bytes) -> list[str]:
    """Names of `NAME_BYTES` each, up to their first NUL."""
    starts = range(0, len(data) - NAME_BYTES + 1, NAME_BYTES)
    return [text(data[start : start + NAME_BYTES].partition(b"\0")[0]) for start in starts]


class EthtoolSocket:
    """Asks drivers, by the name of the device. All calls raise `OSError` where the driver refuses.

    A driver that waits for its firmware holds the caller up: the kernel has no limit for that.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._mask_words = 0
        self._room: array.array[int] | None = None

    def __del__(self) -> None:
        self.close()

    def driver(self, device: bytes) -> bytes:
        """A struct ethtool_drvinfo."""
        data = array.array("B", _COMMAND.pack(_GDRVINFO) + bytes(_DRIVER.size - _COMMAND.size))
        self._call(device, data)
        return data.tobytes()

    def link(self, device: bytes) -> bytes:
        """A struct ethtool_link_settings and its masks, from older drivers and kernels a struct ethtool_cmd."""
        try:
            return self._link_settings(device)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        data = array.array("B", _COMMAND.pack(_GSET) + bytes(_OLDER_LINK.size - _COMMAND.size))
        self._call(device, data)
        return data.tobytes()

    def _link_settings(self, device: bytes) -> bytes:
        # The kernel says how long its masks are when it is asked with another length.
        for _ in range(2):
            data = array.array("B", _LINK.pack(_GLINKSETTINGS, 0, self._mask_words) + bytes(12 * MAX_MASK_WORDS))
            self._call(device, data)
            words = _LINK.unpack_from(data)[2]
            if words > 0:
                return data[: _LINK.size + 12 * words].tobytes()
            self._mask_words = min(-words, MAX_MASK_WORDS)
        raise Malformed(SOURCE, data[: _LINK.size].tobytes(), f"masks of {self._mask_words} words")

    def statistics(self, device: bytes, number: int) -> tuple[bytes, bytes]:
        """Names and counters (64 bits each) of a device that has `number` statistics.

        Both empty where the driver just changed its statistics. Raises `Malformed` where there are too many.
        """
        if number > MAX_STATISTICS:
            raise Malformed(SOURCE, device, f"at most {MAX_STATISTICS} statistics")
        # The kernel writes as many as there are by then, however many were asked for: there must be room for all.
        data = self._room = self._room or array.array("B", bytes(_STRINGS.size + MAX_STATISTICS * NAME_BYTES))
        _STRINGS.pack_into(data, 0, _GSTRINGS, _SS_STATS, number)
        self._call(device, data)
        if _STRINGS.unpack_from(data)[2] != number:
            return b"", b""
        names = data[_STRINGS.size : _STRINGS.size + number * NAME_BYTES].tobytes()
        _STATISTICS.pack_into(data, 0, _GSTATS, number)
        self._call(device, data)
        if _STATISTICS.unpack_from(data)[1] != number:
            return b"", b""
        return names, data[_STATISTICS.size : _STATISTICS.size + number * 8].tobytes()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, device: bytes, data: array.array[int]) -> None:
        if not 0 < len(device) <= MAX_NAME_BYTES:
            raise OSError(errno.ENODEV, f"{SOURCE}: no name of a network device: {device!r}")
        asked = self._socket = self._socket or OwnSocket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        fcntl.ioctl(asked, _SIOCETHTOOL, bytearray(_REQUEST.pack(device, data.buffer_info()[0])), True)
