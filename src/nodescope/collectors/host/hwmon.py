"""Hardware monitoring: temperatures, fans, voltages, currents, power."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.hwmon_chip import SENSOR_LABEL, Chip, Reading, chip_names
from nodescope.collectors.host.hwmon_sensor import metric_of
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_CHIPS: Final = 1024
LIST_SECONDS: Final = 10.0

CHIP_NAMES: Final = Metric(
    "node_hwmon_chip_names", "gauge", "Annotation metric for human-readable chip names", ("chip", "chip_name")
)
COMMON: Final = (
    ("curr", "input"), ("energy", "input"), ("fan", "alarm"), ("fan", "fault"), ("fan", "input"), ("fan", "min"),
    ("freq", "input"), ("humidity", "input"), ("in", "input"), ("in", "max"), ("in", "min"), ("power", "average"),
    ("power", "cap"), ("power", "input"), ("pwm", ""), ("pwm", "enable"), ("temp", "alarm"), ("temp", "crit"),
    ("temp", "crit_alarm"), ("temp", "fault"), ("temp", "highest"), ("temp", "input"), ("temp", "max"),
    ("temp", "min"),
)  # fmt: skip


class HwmonCollector:
    """What hardware sensors measure, their limits and labels.

    *Source*: /sys/class/hwmon, Documentation/hwmon/sysfs-interface.rst. *Units*: degrees Celsius, volts, amperes,
    watts, joules, revolutions per minute, MHz; what has no documented unit as the driver gives it. *Absent when*: the
    kernel has no hardware monitoring. A sensor whose driver answers with an error is left out until it can be read, one
    of a GPU that sleeps until it is awake.
    *Cost*: one read for each value that changes; limits, labels and names are read once a minute.
    """

    name: ClassVar[str] = "hwmon"
    metrics: ClassVar[tuple[Metric, ...]] = (CHIP_NAMES, SENSOR_LABEL, *(metric_of(*common)[0] for common in COMMON))
    left_out: int = 0

    def __init__(self, host: Host, chips: DeviceFilter, sensors: DeviceFilter) -> None:
        self._host = host
        self._folder = host.sys("class/hwmon")
        self._reader = AttributeReader(host)
        self._chip_filter = chips
        self._sensor_filter = sensors
        self._listed: list[str] = []
        self._chips: dict[str, Chip] = {}
        self._there: list[str] = []
        self._shown: list[tuple[Chip, str, str]] = []
        self._gpus: list[Chip] = []
        self._held: list[Family] = []
        self._live: list[tuple[Metric, list[Reading]]] = []
        self._held_left_out = 0

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        relisted, self._listed = listed is not self._listed, listed
        self._reader.left_out = max(0, len(listed) - MAX_CHIPS)
        if self._look(relisted):
            self._learn()
        asleep = {chip.name for chip in self._gpus if chip.sleeps(self._reader)} if self._gpus else set()
        families = self._held + self._read(asleep)
        self.left_out = self._reader.left_out + self._held_left_out
        return families

    def _look(self, relisted: bool) -> bool:
        """Whether a chip came, went, or is due to be read anew."""
        if relisted:
            known = self._chips
            self._chips = {
                entry: known.get(entry) or Chip(self._host, entry, turn)
                for turn, entry in enumerate(self._listed[:MAX_CHIPS])
            }
        there, anew = [], False
        for entry, chip in self._chips.items():
            try:
                chip.due = chip.look(self._reader, relisted) or chip.due
            except (Absent, Malformed, OSError) as error:
                self._reader.count(error)
                continue
            there.append(entry)
            anew = anew or chip.due
        changed, self._there = there != self._there, there
        return anew or changed

    def _learn(self) -> None:
        """Names the chips and reads what is due."""
        chips = [self._chips[entry] for entry in self._there]
        names = chip_names([chip.identity for chip in chips])
        kept = [
            (chip, name)
            for chip, name in zip(chips, names, strict=True)
            if chip.identity.stem and self._chip_filter.keeps(name)
        ]
        shown = [(chip, name, chip.shown_name) for chip, name in kept]
        changed, self._shown = shown != self._shown, shown
        for chip, name in kept:
            if (chip.due or name != chip.name) and not chip.sleeps(self._reader):
                changed = chip.read_held(name, self._sensor_filter, self._reader) or changed
                chip.due = False
        self._gpus = [chip for chip, _ in kept if chip.may_sleep]
        self._held_left_out = sum(chip.left_out for chip, _ in kept)
        if changed:
            self._arrange()

    def _arrange(self) -> None:
        """Puts all readings in the order of their metrics."""
        rows: dict[Metric, list[Row]] = {}
        live: dict[Metric, list[Reading]] = {}
        # Two elements may differ in letters that names have not: the first gives the metric.
        metrics: dict[str, Metric] = {}
        for chip, name, shown_name in self._shown:
            if shown_name:
                rows.setdefault(CHIP_NAMES, []).append(((name, shown_name), 1))
            for reading in chip.held:
                if reading.row is not None:
                    rows.setdefault(metrics.setdefault(reading.metric.name, reading.metric), []).append(reading.row)
            for reading in chip.live:
                if reading.path:
                    live.setdefault(metrics.setdefault(reading.metric.name, reading.metric), []).append(reading)
        self._live = list(live.items())
        before = {family.metric: family for family in self._held}
        made = [Family(metric, found) for metric, found in rows.items()]
        self._held = [before[family.metric] if before.get(family.metric) == family else family for family in made]

    def _read(self, asleep: set[str]) -> list[Family]:
        """The families of what changes, but of chips that are `asleep`. This is the loop that every scrape pays for."""
        families = []
        read, odd = self._host.read, 0
        for metric, readings in self._live:
            rows = []
            if asleep:
                readings = [reading for reading in readings if reading.labels[0] not in asleep]
            for reading in readings:
                try:
                    data = read(reading.path)
                except (Absent, Malformed, OSError) as error:
                    self._reader.count(error)
                    continue
                if data != reading.data:
                    reading.take(data)
                if reading.row is not None:
                    rows.append(reading.row)
                else:
                    odd += reading.odd
            if rows:
                families.append(Family(metric, rows))
        self._reader.left_out += odd
        return families


def build(host: Host, settings: Settings) -> HwmonCollector:
    # Both may be given: what is kept is included and not excluded.
    chips, sensors = (
        DeviceFilter(settings[f"collector.hwmon.{what}-include"], settings[f"collector.hwmon.{what}-exclude"])
        for what in ("chip", "sensor")
    )
    return HwmonCollector(host, chips, sensors)
