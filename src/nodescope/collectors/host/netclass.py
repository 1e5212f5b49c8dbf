"""Collector netclass: /sys/class/net, or by setting netlink."""

from __future__ import annotations

import re
import time
from typing import ClassVar, Final

from nodescope.collectors.host.net_device import ALL, FLAGS, METRICS, OF_DRIVER, NetDevice
from nodescope.collectors.host.netclass_netlink import ALTNAMES, LinkReport
from nodescope.host import Absent, Host
from nodescope.kernel.file_name import shown
from nodescope.kernel.link_attributes import Mark
from nodescope.kernel.link_watch import LinkWatch, fits
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

LIST_SECONDS: Final = 10.0
MARK_SECONDS: Final = 60.0
# The one file beside the devices' directories.
_MASTERS: Final = "bonding_masters"


class NetclassCollector:
    """State, properties and names of network devices.

    *Source*: /sys/class/net/DEVICE, Documentation/ABI/testing/sysfs-class-net. With `collector.netclass.netlink`
    rtnetlink(7) and ethtool's netlink, as node_exporter has it then: without the label adminstate, with
    node_network_altnames_info, and with `collector.netclass.with-stats` the counters of the device, under gauges named
    as in netdev (turn that off then).
    *Units*: bytes per second, bytes, packets; flags as in netdevice(7). *Absent when*: there is no /sys/class/net; an
    attribute that the kernel refuses (carrier, speed and duplex of a device that is down) has no series, or is an
    empty label. A speed that the device does not know is -1 there, -125000 bytes per second here; see
    `ignore-invalid-speed`. What is no number is 0.
    *Cost*: one dump of links without their counters: a device whose message is the same is not read again for
    `MARK_SECONDS`; speed and duplex of all are, when any has changed. Where netlink shows other devices than sysfs, or
    there is none: 14 reads for each device.
    """

    name: ClassVar[str] = "netclass"
    metrics: ClassVar[tuple[Metric, ...]] = (*METRICS, ALTNAMES)
    left_out: int = 0

    def __init__(
        self,
        host: Host,
        ignored: re.Pattern[str] | None,
        *,
        ignore_invalid_speed: bool,
        report: LinkReport | None,
        most_devices: int,
    ) -> None:
        self._host = host
        self._ignored = ignored
        self._ignore_invalid_speed = ignore_invalid_speed
        self._report = report
        self._most_devices = most_devices
        self._folder = host.sys("class/net")
        self._watch = LinkWatch(host)
        self._marks: dict[str, Mark] = {}
        self._devices: dict[str, NetDevice] = {}
        self._names: list[str] = []
        self._twice = self._beyond = 0
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        if self._report is not None:
            families = self._report.families(self._is_ignored)
            self.left_out = self._report.left_out
            return families
        names = self._list(LIST_SECONDS)
        marks = self._watch.marks(f"{self._folder}/{names[0]}/ifindex") if names else {}
        if marks and marks.keys() != set(names):
            names, marks = self._list(), self._watch.marks(f"{self._folder}/{names[0]}/ifindex")
            if marks.keys() != set(names):
                self._watch.doubt()
                marks = {}
        changed = self._arrange(names)
        changed |= self._by_marks(marks) if marks else self._read_all()
        if changed:
            self._families = self._all_families()
        self.left_out = self._twice + self._beyond
        self.left_out += sum(len(device.broken) for device in self._devices.values())
        return self._families

    def _list(self, keep_s: float = 0.0) -> list[str]:
        try:
            names = self._host.list(self._folder, keep_s=keep_s)
        except PermissionError as error:
            raise Absent(self._folder) from error
        return [name for name in names if name != _MASTERS]

    def _is_ignored(self, label: str) -> bool:
        return self._ignored is not None and self._ignored.search(label) is not None

    def _arrange(self, names: list[str]) -> bool:
        """The devices that there are now; whether they are others than before."""
        if names == self._names:
            return False
        labels: dict[str, str] = {}
        for name in names:
            labels.setdefault(shown(name), name)
        self._names, self._twice = names, len(names) - len(labels)
        for name in self._devices.keys() - set(names):
            self._host.forget(self._devices[name].folder)
        kept = [name for label, name in labels.items() if not self._is_ignored(label)]
        self._beyond = max(0, len(kept) - self._most_devices)
        del kept[self._most_devices :]
        self._devices = {name: self._devices.get(name) or NetDevice(self._host, name) for name in kept}
        return True

    def _by_marks(self, marks: dict[str, Mark]) -> bool:
        """Reads the devices whose marks have changed; whether there is anything new."""
        now = time.monotonic()
        again = OF_DRIVER if marks != self._marks else ()
        self._marks = marks
        changed = False
        for name, device in self._devices.items():
            mark = marks[name]
            if device.mark is mark and now < device.until:
                positions = again if mark.all_multicast else (*again, FLAGS)
                changed |= bool(positions) and device.read_anew(positions, self._ignore_invalid_speed)
                continue
            changed |= device.read_anew(ALL, self._ignore_invalid_speed)
            if fits(mark, *device.identity()):
                # Spread over a quarter of the time, so that not all are read again in one scrape.
                device.mark, device.until = mark, now + MARK_SECONDS * (1 - hash(name) % 64 / 256)
            else:
                self._watch.doubt()
        return changed

    def _read_all(self) -> bool:
        """Reads all devices; whether there is anything new."""
        changed = shaken = False
        for device in self._devices.values():
            before = device.link_state()
            changed |= device.read(self._ignore_invalid_speed)
            shaken |= before not in (None, device.link_state())
        if shaken:
            # Speed and duplex go with the link, also those of devices on top of it.
            self._host.forget(self._folder)
            for device in self._devices.values():
                device.read(self._ignore_invalid_speed)
        return changed

    def _all_families(self) -> list[Family]:
        found = [device.rows for device in self._devices.values() if device.is_there()]
        columns = zip(METRICS, zip(*found, strict=True), strict=True) if found else ()
        families = [Family(metric, [row for row in column if row is not None]) for metric, column in columns]
        return [family for family in families if family.rows]


def build(host: Host, settings: Settings) -> NetclassCollector:
    netlink = settings["collector.netclass.netlink"]
    return NetclassCollector(
        host,
        settings["collector.netclass.ignored-devices"],
        ignore_invalid_speed=settings["collector.netclass.ignore-invalid-speed"],
        report=LinkReport(host, statistics=settings["collector.netclass.with-stats"]) if netlink else None,
        most_devices=settings["collector.netclass.max-devices"],
    )
