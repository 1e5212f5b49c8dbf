"""One hardware monitoring chip: its name, and what its attribute files hold.

Source: /sys/class/hwmon/hwmonN and the `device` below it, where old drivers keep their sensors.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.hwmon_sensor import (
    MAX_VALUE_BYTES,
    TEXTS,
    WHOLE_CHIP,
    Scale,
    SensorFile,
    clean,
    is_held,
    metric_of,
    parse_reading,
    sensor_file,
)
from nodescope.host import Absent, Host, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.runtime_power import ASLEEP, STATUS
from nodescope.metric import Metric, Row

MAX_FILES: Final = 8192
REFUSED_SECONDS: Final = 3600.0
NOTES_REFUSALS: Final = "nvme"
"""The chip of NVMe drives. The kernel asks the drive itself for each limit, and the drive notes in its error log each
that it refuses (drivers/nvme/host/hwmon.c): such a one is asked for again only after `REFUSED_SECONDS`."""
GPUS: Final = frozenset({"amdgpu", "i915", "nouveau", "radeon", "xe"})
"""Chips of GPUs that sleep when nobody uses them: many a driver wakes one to answer for a sensor."""

RELIST_SECONDS: Final = 60.0
"""How long a chip's files, limits and labels are remembered; for some a quarter less: not all are due at once."""

SENSOR_LABEL: Final = Metric(
    "node_hwmon_sensor_label", "gauge", "Label for given chip and sensor", ("chip", "sensor", "label")
)

_TURNS: Final = 16


class Identity(NamedTuple):
    """What a chip's name is made of: the directory hwmonN, what its device is called, what its `name` says."""

    entry: str
    stem: str
    said: str


def chip_names(chips: Sequence[Identity]) -> list[str]:
    """A name for each chip: its stem, and where several have that one, also what distinguishes them."""
    stems = Counter(chip.stem for chip in chips)
    pairs = Counter(chip[1:] for chip in chips)
    given: set[str] = set()
    names = []
    for chip in chips:
        name = chip.stem
        if stems[chip.stem] > 1:
            suffix = "" if pairs[chip[1:]] > 1 else clean(chip.said)
            name += f"_{suffix or clean(chip.entry)}"
        while name in given:
            name += f"_{clean(chip.entry)}"
        given.add(name)
        names.append(name)
    return names


class Reading:
    """One file of a sensor, or one of two of the same name: the device's, if it can be read, else the chip's."""

    __slots__ = ("data", "file", "labels", "metric", "odd", "path", "paths", "row", "scale")

    def __init__(self, file: SensorFile, metric: Metric, scale: Scale, labels: tuple[str, ...]) -> None:
        self.file = file
        self.metric = metric
        self.scale = scale
        self.labels = labels
        self.paths: list[str] = []
        self.path = ""
        self.data: bytes | None = None
        self.row: Row | None = None
        self.odd = False

    def take(self, data: bytes | None) -> None:
        """Makes the row of what was read, None where nothing was."""
        if data == self.data:
            return
        self.data, self.row, self.odd = data, None, False
        if data is None:
            return
        if self.file.element == "label":
            self.row = ((*self.labels, text(data[:MAX_VALUE_BYTES].strip(b"\n"))), 1)
        elif self.file.type == "beep_enable":
            self.row = (self.labels, 1 if data.strip(b"\n") == b"1" else 0)
        else:
            value = parse_reading(data)
            self.odd = value is None and self.file.element not in TEXTS
            self.row = None if value is None else (self.labels, self.scale(value))

    def rename(self, labels: tuple[str, ...]) -> None:
        if labels != self.labels:
            self.labels, self.data, self.row = labels, None, None


class Chip:
    """The readings of one directory hwmonN. `live` are for every scrape, `held` are remembered.

    `left_out`: how many of its files were not as documented when they were read last, `live` ones aside.
    """

    def __init__(self, host: Host, entry: str, turn: int) -> None:
        self.folder = host.sys(f"class/hwmon/{entry}")
        self.identity = Identity(entry, "", "")
        self.name = ""
        self.shown_name = ""
        self.due = True
        self.live: list[Reading] = []
        self.held: list[Reading] = []
        self.left_out = 0
        self._host = host
        self._keep_s = RELIST_SECONDS * (1 - turn % _TURNS / (4 * _TURNS))
        self._listed: list[str] = []
        self._files: tuple[list[str], list[str]] = ([], [])
        self._link = self._device_link = ""
        self._device_stem = ""
        self._planned_as: tuple[str, tuple[list[str], list[str]]] = ("", ([], []))
        self._twice = 0
        self._refused_until: dict[SensorFile, float] = {}

    def look(self, reader: AttributeReader, may_be_another: bool) -> bool:
        """Whether the directory was listed anew, and with it its name.

        `may_be_another`: look whether the number was given to another chip meanwhile. Raises `Absent`, `OSError`.
        """
        if may_be_another:
            link = _link(self.folder)
            if link != self._link:
                self._link, self._device_link = link, ""
                self._host.forget(self.folder)
        listed = self._host.list(self.folder, keep_s=self._keep_s)
        if listed is self._listed:
            return False
        self._listed = listed
        device = self._device() if "device" in listed else []
        # A list that is as it was stays the one that the plan was made of.
        if self._files != (listed, device):
            self._files = (listed, device)
        data = reader.anew(f"{self.folder}/name") if "name" in listed else None
        said = (data or b"").decode("utf-8", "surrogateescape")
        self.shown_name = clean(said)
        stem = (
            (self._device_stem if "device" in listed else "")
            or self.shown_name
            or clean(os.path.basename(os.path.realpath(self.folder)))
        )
        self.identity = Identity(self.identity.entry, stem, said.strip())
        return True

    @property
    def may_sleep(self) -> bool:
        return self.identity.said in GPUS

    def sleeps(self, reader: AttributeReader) -> bool:
        """Whether it is of a GPU that sleeps, and that no reading is to wake."""
        if not self.may_sleep:
            return False
        return (reader.now(f"{self.folder}/device/{STATUS}", built_in=True) or b"").strip() in ASLEEP

    def _device(self) -> list[str]:
        """The files of the device; and what it is called, anew only where a link has changed."""
        path = f"{self.folder}/device"
        link = _link(path)
        if link != self._device_link or not link:
            self._device_link, self._device_stem = link, ""
            if os.path.exists(path):
                parent, _, name = os.path.realpath(path).rpartition("/")
                parts = (clean(os.path.basename(parent)), clean(name))
                self._device_stem = "_".join(filter(None, parts)) if parts[1] else ""
        try:
            return self._host.list(path)
        except (Absent, OSError):
            return []

    def read_held(self, name: str, sensors: DeviceFilter, reader: AttributeReader) -> bool:
        """Reads what is remembered, under the chip's `name`. Whether any of it has changed."""
        before = reader.left_out
        shown = [reading.path for reading in self.live]
        changed = self._planned_as != (name, self._files)
        if changed:
            self._plan(name, sensors, reader)
            self._planned_as = (name, self._files)
        now = time.monotonic()
        for reading in self.held:
            if now < self._refused_until.get(reading.file, 0.0):
                continue
            data = _last_of(reading, reader)
            if data is None and self.identity.said == NOTES_REFUSALS:
                self._refused_until[reading.file] = now + REFUSED_SECONDS
            if data != reading.data:
                reading.take(data)
                changed = True
        for reading in self.live:
            if len(reading.paths) > 1:
                _last_of(reading, reader)
        odd = self._name_frequencies() + sum(reading.odd for reading in self.held)
        # What could not be read is not an error of this scrape alone: it is told until it is read again.
        self.left_out, reader.left_out = self._twice + odd + reader.left_out - before, before
        return changed or shown != [reading.path for reading in self.live]

    def _plan(self, name: str, sensors: DeviceFilter, reader: AttributeReader) -> None:
        self.name = name
        self.live, self.held, self._refused_until = [], [], {}
        files = self._sensor_files()
        self._twice = sum(max(0, len(listed) - MAX_FILES) for listed in self._files)
        seen = set()
        for file, paths in files.items():
            if not sensors.keeps(f"{name};{file.sensor}") or (file.type in WHOLE_CHIP and file.element):
                continue
            bare = files.get(SensorFile(file.type, file.sensor, "")) if file.element == "input" else None
            bare_too = bare is not None and any(reader.anew(path) is not None for path in bare)
            metric, scale = (
                (SENSOR_LABEL, float) if file.element == "label" else metric_of(file.type, file.element, bare_too)
            )
            if (metric.name, file.sensor) in seen:
                self._twice += 1
                continue
            seen.add((metric.name, file.sensor))
            reading = Reading(file, metric, scale, (name, file.sensor))
            reading.paths, reading.path = paths, paths[-1]
            (self.held if is_held(file) else self.live).append(reading)

    def _sensor_files(self) -> dict[SensorFile, list[str]]:
        found: dict[SensorFile, list[str]] = {}
        for folder, listed in zip((self.folder, f"{self.folder}/device"), self._files, strict=True):
            for name in listed[:MAX_FILES]:
                file = sensor_file(name)
                # Every device has a directory `power`, of its runtime power management.
                if file is not None and not (name == "power" and os.path.isdir(f"{folder}/{name}")):
                    found.setdefault(file, []).append(f"{folder}/{name}")
        return found

    def _name_frequencies(self) -> int:
        """Frequencies go by the sensor's label; those without one are not shown. How many share theirs with another."""
        labels = {
            reading.file.sensor: reading.data
            for reading in self.held
            if reading.file.element == "label" and reading.data is not None
        }
        taken: set[str] = set()
        twice = 0
        for reading in self.live:
            if reading.file.type != "freq" or reading.file.element != "input":
                continue
            said = labels.get(reading.file.sensor)
            reading.path = ""
            if said is None:
                continue
            label = clean(said[:MAX_VALUE_BYTES].strip(b"\n").decode("utf-8", "surrogateescape"))
            if label in taken:
                twice += 1
                continue
            taken.add(label)
            reading.rename((self.name, label))
            reading.path = reading.paths[-1]
        return twice


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _last_of(reading: Reading, reader: AttributeReader) -> bytes | None:
    """What the last file holds that can be read, which is the reading's from now on."""
    for path in reversed(reading.paths):
        data = reader.anew(path)
        if data is not None:
            reading.path = path
            return data
    return None
