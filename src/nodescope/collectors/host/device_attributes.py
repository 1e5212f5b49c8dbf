"""Devices of a class in sysfs whose attributes are numbers and texts, of which each has those that it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.collectors.host.device_label import by_label
from nodescope.collectors.host.number_file import MAX_VALUE_BYTES, NumberFile, Parse
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.metric import Metric, Row

MAX_DEVICES: Final = 1024
LIST_SECONDS: Final = 10.0
RELIST_SECONDS: Final = 60.0


class Number(NamedTuple):
    metric: Metric
    parse: Parse


class Device:
    """One device, its numbers, and its texts: those that never change are read once a minute."""

    def __init__(self, host: Host, folder: str, label: str) -> None:
        self.label = label
        self.numbers: list[tuple[Metric, NumberFile]] = []
        self._host = host
        self._folder = folder
        self._listed: list[str] = []
        self._held_texts: dict[str, str] = {}
        self._live_texts: list[str] = []

    def look(self, numbers: Mapping[str, Number], texts: Mapping[str, bool], reader: AttributeReader) -> None:
        """Finds out which attributes there are, once a minute. Raises `Absent`, `OSError` where there is no device."""
        listed = self._host.list(self._folder, keep_s=RELIST_SECONDS)
        if listed is self._listed:
            return
        if listed != self._listed:
            self.numbers = [
                (number.metric, NumberFile(f"{self._folder}/{name}", (self.label,), number.parse))
                for name, number in numbers.items()
                if name in listed
            ]
        present = [name for name in texts if name in listed]
        self._live_texts = [name for name in present if not texts[name]]
        self._held_texts = {name: _shown(reader.anew(f"{self._folder}/{name}")) for name in present if texts[name]}
        self._listed = listed

    def read_texts(self, reader: AttributeReader) -> dict[str, str]:
        """The texts that are not empty."""
        live = {name: _shown(reader.now(f"{self._folder}/{name}")) for name in self._live_texts}
        return {name: said for name, said in (self._held_texts | live).items() if said}


class DeviceClass:
    """The devices of /sys/class/CLASS, but those that `ignored` finds.

    `texts`: name -> whether it stays as it is for as long as the device is there.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        numbers: Mapping[str, Number],
        texts: Mapping[str, bool],
        ignored: re.Pattern[str] | None = None,
    ) -> None:
        self._host = host
        self._folder = host.sys(f"class/{name}")
        self._numbers = numbers
        self._texts = texts
        self._ignored = ignored
        self._listed: list[str] = []
        self._devices: dict[str, Device] = {}
        self.reader = AttributeReader(host)

    def devices(self) -> Iterable[Device]:
        """The devices that are there now. Raises `Absent` where there is no such class."""
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        self.reader.left_out = max(0, len(listed) - MAX_DEVICES)
        if listed != self._listed:
            self._learn(listed)
        for device in self._devices.values():
            try:
                device.look(self._numbers, self._texts, self.reader)
            except (Absent, Malformed, OSError) as error:
                self.reader.count(error)
                continue
            yield device

    def _learn(self, listed: list[str]) -> None:
        known, self._devices = self._devices, {}
        for label, name in by_label(listed[:MAX_DEVICES]).items():
            if self._ignored is not None and self._ignored.search(label):
                continue
            folder = f"{self._folder}/{name}"
            if name not in known:
                self._host.forget(folder)
            self._devices[name] = known.get(name) or Device(self._host, folder, label)
        self._listed = listed

    def read_numbers(self, device: Device, rows: dict[Metric, list[Row]]) -> None:
        """Adds a row for each number that the device has."""
        for metric, file in device.numbers:
            row = file.row(self.reader.now(file.path), self.reader)
            if row is not None:
                rows.setdefault(metric, []).append(row)


def _shown(data: bytes | None) -> str:
    return text((data or b"")[:MAX_VALUE_BYTES].strip())
