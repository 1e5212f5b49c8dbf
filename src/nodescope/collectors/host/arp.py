"""ARP entries."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.host import Host, Malformed, text
from nodescope.kernel.device_names import DeviceNames
from nodescope.kernel.neighbours import NeighbourSocket
from nodescope.kernel.number import uint64_any_base
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_FLAGS: Final = 0xFF

ENTRIES: Final = Metric("node_arp_entries", "gauge", "ARP entries by device", ("device",))

_HEADING: Final = b"IP address"
_ANY_MASK: Final = b"*"
_ADDRESS: Final = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}")
_HARDWARE: Final = re.compile(rb"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2})*")


def device_of(line: bytes) -> bytes | None:
    """The device of a line of the table; None where the line is not as arp_seq_show() of the kernel prints it.

    IP address, hardware type, flags, hardware address (nothing for devices that have none), mask, device.
    """
    words = line.split()
    if len(words) not in (5, 6) or not _ADDRESS.fullmatch(words[0]) or uint64_any_base(words[1]) is None:
        return None
    flags = uint64_any_base(words[2])
    if flags is None or flags > MAX_FLAGS:
        return None
    hardware = words[3] == _ANY_MASK if len(words) == 5 else _HARDWARE.fullmatch(words[3])
    return words[-1] if hardware else None


def parse_arp(data: bytes, source: str) -> tuple[dict[str, int], int]:
    """Device -> how many entries it has; and how many lines could not be read. Raises `Malformed`."""
    entries: dict[str, int] = {}
    lines = data.split(b"\n")
    left_out = 0
    for line in lines[1:] if lines[0].startswith(_HEADING) else lines:
        device = device_of(line)
        if device is not None:
            name = text(device)
            entries[name] = entries.get(name, 0) + 1
        elif line.strip():
            left_out += 1
    if left_out and not entries:
        raise Malformed(source, data, "a heading, then lines of address, type, flags, hardware address, mask, device")
    return entries, left_out


class ArpCollector:
    """How many addresses of the local networks the kernel has looked up, by device.

    *Source*: rtnetlink(7), the neighbours of IPv4 whose state is not NUD_NOARP; without netlink /proc/net/arp,
    proc_net(5). *Units*: entries. *Absent when*: a device has no entry; without netlink where the file is not there.
    *Cost*: one dump, or one read.
    """

    name: ClassVar[str] = "arp"
    metrics: ClassVar[tuple[Metric, ...]] = (ENTRIES,)
    left_out: int = 0

    def __init__(self, host: Host, devices: DeviceFilter, *, netlink: bool) -> None:
        self._host = host
        self._path = host.proc("net/arp")
        self._devices = devices
        self._netlink = netlink
        self._neighbours = NeighbourSocket()
        self._names = DeviceNames()
        self._last: tuple[object, list[Family]] = (None, [])

    def collect(self) -> list[Family]:
        entries = self._over_netlink() if self._netlink else self._from_proc()
        if self._last[0] != entries:
            rows = [((device,), number) for device, number in sorted(entries.items()) if self._devices.keeps(device)]
            self._last = (entries, [Family(ENTRIES, rows)] if rows else [])
        return self._last[1]

    def _over_netlink(self) -> dict[str, int]:
        self._names.refresh()
        entries: dict[str, int] = {}
        for index, number in self._neighbours.entries().items():
            name = self._names.name_of(index)
            # The device went away behind the dump.
            if name is not None:
                entries[name] = entries.get(name, 0) + number
        return entries

    def _from_proc(self) -> dict[str, int]:
        entries, self.left_out = parse_arp(self._host.read(self._path), self._path)
        return entries


def build(host: Host, settings: Settings) -> ArpCollector:
    return ArpCollector(
        host,
        from_settings(settings, "collector.arp.device-include", "collector.arp.device-exclude"),
        netlink=settings["collector.arp.netlink"],
    )
