"""PCI devices, their links and power states."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.collectors.host.pci_attributes import (
    ID_FILES,
    INFO,
    LINK,
    METRICS,
    NAMED_INFO,
    POWER_STATE,
    POWER_STATES,
    STEADY,
    Device,
    Gauge,
    id_labels,
    keys_of,
    name_labels,
    value_of,
)
from nodescope.collectors.host.pci_ids import Key, PciNames
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.pci_address import Address, parse_place
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_DEVICES: Final = 8192
MAX_KEPT_DEVICES: Final = 128
LIST_SECONDS: Final = 10.0
AWAKE: Final = (None, b"D0")
REFUSED: Final = b"-"
"""Stands for what an attribute says that cannot be read: it is no value of any."""

Read = list[bytes | None]


class PcideviceCollector:
    """PCI devices: where they are, what they are, what their links can do and do, power states, virtual functions.

    *Source*: /sys/bus/pci/devices, Documentation/ABI/testing/sysfs-bus-pci; by setting names from pci.ids. *Units*:
    transfers per second, lanes. A link's speed or width that is not known is -1; what the device does not have of
    virtual functions and D3cold is 0. *Absent when*: there is no PCI. An attribute that cannot be read costs its own
    series; in node_pcidevice_info it is an empty label. *Cost*: three reads for each device. The rest is read once a
    minute, and so is the link of a device that sleeps, for that wakes it.
    """

    name: ClassVar[str] = "pcidevice"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host, names: PciNames | None) -> None:
        self._host = host
        self._names = names
        self._folder = host.sys("bus/pci/devices")
        self._listed: list[str] | None = None
        self._devices: dict[str, Device] = {}
        self._unplaced = 0
        self._steady: tuple[object, list[Family], int] = (None, [], 0)
        self._moving: tuple[list[Read] | None, list[Family], int] = (None, [], 0)

    def collect(self) -> list[Family]:
        self._walk()
        read = [self._read_moving(index, device) for index, device in enumerate(self._devices.values())]
        if self._one_is_gone(read):
            self._host.forget(self._folder)
            self._walk()
            read = [self._read_moving(index, device) for index, device in enumerate(self._devices.values())]
        if read != self._moving[0]:
            self._moving = (read, *moving_families(list(self._devices.values()), read))
        self.left_out = self._unplaced + self._steady[2] + self._moving[2]
        return self._steady[1] + self._moving[1]

    def _walk(self) -> None:
        """Which devices there are, and what hardly ever changes of them."""
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed is self._listed:
            return  # remembered, and so is all that was read when it was listed
        self._listed = listed
        devices = self._placed(listed[:MAX_DEVICES])
        self._unplaced += max(0, len(listed) - MAX_DEVICES)
        for name, device in self._devices.items():
            if devices.get(name) is not device:
                self._host.forget(device.folder)
        read: list[Read] = []
        for name, device in list(devices.items()):
            raw = [self._ask(self._host.read_seldom, path) for path in device.steady]
            if raw.count(None) == len(raw) and not self._host.exists(device.folder):
                del devices[name]
                self._unplaced += 1
            else:
                read.append(raw)
        if devices != self._devices:
            self._devices, self._moving = devices, (None, [], 0)
        ids = [id_labels(raw[: len(ID_FILES)]) for raw in read]
        names = None if self._names is None else self._names.of(frozenset(key for of in ids for key in keys_of(of)))
        known = (list(devices.values()), read, names)
        if known != self._steady[0]:
            self._steady = (known, *steady_families(known[0], ids, read, names))

    def _placed(self, names: list[str]) -> dict[str, Device]:
        """The devices by name; those that were known are given again."""
        devices: dict[str, Device] = {}
        addresses: set[Address] = set()
        self._unplaced = 0
        for name in names:
            folder = f"{self._folder}/{name}"
            try:
                target = os.readlink(folder)
            except FileNotFoundError:
                continue
            except OSError:  # it is no link
                target = ""
            device = self._devices.get(name)
            if device is None or device.target != target:
                place = parse_place(target)
                device = None if place is None else Device(folder, target, place)
            if device is None or device.address in addresses:
                self._unplaced += 1
                continue
            addresses.add(device.address)
            devices[name] = device
        return devices

    def _read_moving(self, index: int, device: Device) -> Read:
        """Power state, speed and width of the link."""
        at_scrape = self._host.read_once if index >= MAX_KEPT_DEVICES else self._kept
        state = self._ask(at_scrape, device.power_state)
        read = at_scrape if state in AWAKE else self._host.read_seldom
        return [state, *(self._ask(read, path) for path in device.link)]

    def _kept(self, path: str) -> bytes:
        return self._host.read(path, built_in=True)

    def _ask(self, read: Callable[[str], bytes], path: str) -> bytes | None:
        try:
            return read(path).strip()
        except Absent:
            return None
        except (Malformed, OSError):
            return REFUSED

    def _one_is_gone(self, read: list[Read]) -> bool:
        before = self._moving[0]
        if before is None or read == before:
            return False
        return any(now[0] is None and was[0] is not None for now, was in zip(read, before, strict=True))


def steady_families(
    devices: list[Device], ids: list[tuple[str, ...]], read: list[Read], names: dict[Key, str] | None
) -> tuple[list[Family], int]:
    """The families that hardly ever change, and how many attributes are odd."""
    metric = INFO if names is None else NAMED_INFO
    info: list[Row] = []
    for device, of in zip(devices, ids, strict=True):
        if any(of):
            known = () if names is None else name_labels(of, names)
            info.append(((*device.address, *device.parent, *of, *known), 1))
    odd = sum(not label for of in ids for label in of)
    families, more = _gauges(STEADY, devices, [raw[len(ID_FILES) :] for raw in read])
    return ([Family(metric, info)] if info else []) + families, odd + more


def moving_families(devices: list[Device], read: list[Read]) -> tuple[list[Family], int]:
    """Links and power states, and how many of them are odd."""
    families, odd = _gauges(LINK, devices, [raw[1:] for raw in read])
    rows: list[Row] = []
    for device, (raw, *_) in zip(devices, read, strict=True):
        current = raw.decode("latin-1") if raw else ""
        if current in POWER_STATES:
            rows += [((*device.address, state), int(state == current)) for state in POWER_STATES]
        elif current:
            odd += 1
    return families + ([Family(POWER_STATE, rows)] if rows else []), odd


def _gauges(gauges: tuple[Gauge, ...], devices: list[Device], read: list[Read]) -> tuple[list[Family], int]:
    families: list[Family] = []
    odd = 0
    for index, gauge in enumerate(gauges):
        rows: list[Row] = []
        for device, raw in zip(devices, read, strict=True):
            number, is_odd = value_of(gauge, raw[index])
            odd += is_odd
            if number is not None:
                rows.append((device.address, number))
        if rows:
            families.append(Family(gauge.metric, rows))
    return families, odd


def build(host: Host, settings: Settings) -> PcideviceCollector:
    names = PciNames(host, settings["collector.pcidevice.idsfile"]) if settings["collector.pcidevice.names"] else None
    return PcideviceCollector(host, names)
