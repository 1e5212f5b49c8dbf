"""Takes out of a GPU's report what cannot be: drivers answer with noise where they have no value.

*Source*: the ranges in `plausible_ranges`. A reading that is out of range becomes unknown (None), an entry that makes
no sense without it (a link's number, a process' PID, a count of ECC errors) is left out; each is counted by its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from nodescope.devices.plausible_ranges import (
    ALL_ONES_32,
    INSTANCE,
    LEAST_MAX_POWER_MILLIWATTS,
    LINK,
    MAX_COUNT,
    MAX_MONOTONIC_SECONDS,
    MAX_PEER_STATUS,
    MAX_PERCENT,
    MAX_POWER_LIMITS,
    MAX_POWER_MILLIWATTS,
    POWER_LIMITS,
    POWERS,
    PROCESS,
    READING,
    WITHIN,
    WITHIN_GPU,
    Column,
    Range,
    columns,
    most_profiling,
)
from nodescope.records.gpu import EccReading, GpuReading, GpuReport, InstanceReading, LinkReading, ProcessReading
from nodescope.records.gpu_snapshot import DroppedReadings

T = TypeVar("T", bound=msgspec.Struct)
Entry = TypeVar("Entry")
Changes = dict[str, Any]

TOLD_TWICE: Final = {"gfx": "utilization_percent", "umc": "memory_utilization_percent"}
"""AMD's engines whose use is the whole GPU's too: one reading in two fields, dropped from both and counted once."""

REQUIRED: Final = frozenset({"link", "pid"})
"""An entry without this is of nothing."""

replace = msgspec.structs.replace


class Plausible:
    """Checks reports of one vendor's GPUs. `dropped`: how many readings were out of range, by kind."""

    def __init__(self, vendor: str) -> None:
        self.dropped: dict[str, int] = {}
        self._vendor = vendor
        self._reading = _Checked(READING)
        self._instance = _Checked(INSTANCE)
        self._link = _Checked(LINK)
        self._process = _Checked(PROCESS)

    def records(self) -> tuple[DroppedReadings, ...]:
        """What was dropped since the start; kinds that lost nothing are absent."""
        return tuple(
            DroppedReadings(vendor=self._vendor, kind=kind, count=count) for kind, count in sorted(self.dropped.items())
        )

    def checked(self, report: GpuReport) -> GpuReport:
        """`report` without what cannot be; the same object where all of it can be."""
        changes: Changes = {}
        if not 0 <= report.sampled_monotonic_seconds <= MAX_MONOTONIC_SECONDS:
            self._count("time")
            changes["sampled_monotonic_seconds"] = 0.0
        if not 0 <= report.busy_seconds <= MAX_MONOTONIC_SECONDS:
            self._count("time")
            changes["busy_seconds"] = 0.0
        reading = self._checked_reading(report.reading)
        if reading is not report.reading:
            changes["reading"] = reading
        total = reading.memory_total_bytes
        self._entries("links", report.links, self._checked_link, changes)
        self._entries("ecc", report.ecc, self._checked_ecc, changes)
        self._entries("processes", report.processes, lambda one: self._checked_process(one, total), changes)
        self._entries("instances", report.instances, self._checked_instance, changes)
        return replace(report, **changes) if changes else report

    def _entries(
        self, name: str, entries: tuple[Entry, ...], check: Callable[[Entry], Entry | None], changes: Changes
    ) -> None:
        """Notes in `changes` the entries that are left, where any of them is another than before."""
        if entries:
            checked = [check(entry) for entry in entries]
            if any(one is not entry for one, entry in zip(checked, entries, strict=True)):
                changes[name] = tuple(one for one in checked if one is not None)

    def _checked_reading(self, reading: GpuReading) -> GpuReading:
        changes = self._reading.changes(reading, self._count)
        self._within(reading, changes, WITHIN_GPU)
        most = self._most_power(reading, changes)
        for name in POWERS:
            self._at_most(reading, changes, name, most, "power")
        self._fields(reading.driver_fields, changes)
        self._profiling(reading.profiling, changes)
        self._engines(reading, changes)
        self._values("throttled_ns", reading.throttled_ns, MAX_COUNT, "counter", changes)
        self._values("peer_nvlink_status", reading.peer_nvlink_status, MAX_PEER_STATUS, "driver_field", changes)
        return replace(reading, **changes) if changes else reading

    def _most_power(self, reading: GpuReading, changes: Changes) -> float:
        """What a GPU can draw, in milliwatts: by its limits, and by its vendor's greatest boards."""
        greatest = max([value for name in POWER_LIMITS if (value := _left(reading, changes, name))], default=0)
        least = LEAST_MAX_POWER_MILLIWATTS.get(self._vendor, 0)
        if greatest > least:
            return MAX_POWER_LIMITS * float(greatest)
        return least or MAX_POWER_MILLIWATTS

    def _checked_instance(self, reading: InstanceReading) -> InstanceReading:
        changes = self._instance.changes(reading, self._count)
        self._within(reading, changes, WITHIN)
        self._profiling(reading.profiling, changes)
        return replace(reading, **changes) if changes else reading

    def _checked_link(self, reading: LinkReading) -> LinkReading | None:
        return _replaced(reading, self._link.changes(reading, self._count))

    def _checked_process(self, reading: ProcessReading, total: int | None) -> ProcessReading | None:
        changes = self._process.changes(reading, self._count)
        if total is not None:
            self._at_most(reading, changes, "memory_used_bytes", total, "process")
        self._values("engine_ns", reading.engine_ns, MAX_COUNT, "process", changes)
        return _replaced(reading, changes)

    def _checked_ecc(self, reading: EccReading) -> EccReading | None:
        if 0 <= reading.errors <= MAX_COUNT and reading.errors != ALL_ONES_32:
            return reading
        self._count("counter")
        return None

    def _within(
        self, reading: GpuReading | InstanceReading, changes: Changes, within: tuple[tuple[str, tuple[str, ...]], ...]
    ) -> None:
        for whole, parts in within:
            total = _left(reading, changes, whole)
            if total is not None:
                for part in parts:
                    self._at_most(reading, changes, part, total, "memory")

    def _at_most(self, reading: msgspec.Struct, changes: Changes, name: str, most: float, kind: str) -> None:
        value = _left(reading, changes, name)
        if value is not None and value > most:
            changes[name] = None
            self._count(kind)

    def _fields(self, values: Mapping[str, int | float], changes: Changes) -> None:
        """The driver's own fields, of which only is known that they are numbers."""
        kept = {name: value for name, value in values.items() if _is_number(value)}
        if len(kept) != len(values):
            changes["driver_fields"] = kept
            self._count("driver_field", len(values) - len(kept))

    def _profiling(self, values: Mapping[str, float], changes: Changes) -> None:
        if not values:
            return
        kept = {
            name: value for name, value in values.items() if 0 <= value <= most_profiling(name) and value != ALL_ONES_32
        }
        if len(kept) != len(values):
            changes["profiling"] = kept
            self._count("profiling", len(values) - len(kept))

    def _engines(self, reading: GpuReading, changes: Changes) -> None:
        self._values("engines", reading.engines, MAX_PERCENT, "utilization", changes)
        if "engines" in changes:
            gone = reading.engines.keys() - changes["engines"].keys()
            twice = (
                engine in gone and reading.engines[engine] == getattr(reading, whole)
                for engine, whole in TOLD_TWICE.items()
            )
            self._count("utilization", -sum(twice))

    def _values(self, name: str, values: Mapping[str, float], most: float, kind: str, changes: Changes) -> None:
        """Values by name of which those that are out of range are left out."""
        if not values:
            return
        kept = {key: value for key, value in values.items() if 0 <= value <= most and value != ALL_ONES_32}
        if len(kept) != len(values):
            changes[name] = kept
            self._count(kind, len(values) - len(kept))

    def _count(self, kind: str, count: int = 1) -> None:
        self.dropped[kind] = self.dropped.get(kind, 0) + count


class _Checked:
    """A table of ranges, ready to check the fields of a record."""

    def __init__(self, ranges: tuple[Range, ...]) -> None:
        self._columns: tuple[Column, ...] = columns(ranges)
        self._values = attrgetter(*(column[0] for column in self._columns))

    def changes(self, reading: msgspec.Struct, count: Callable[[str], None]) -> Changes:
        """The fields that are out of range, each with None. Never true of NaN, so it is always out of range."""
        found: Changes = {}
        for value, (name, low, high, not_available, kind) in zip(self._values(reading), self._columns, strict=True):
            if value is not None and (not low <= value <= high or value == not_available):
                found[name] = None
                count(kind)
        return found


def _left(reading: msgspec.Struct, changes: Changes, name: str) -> Any:
    """What a field still has after `changes`."""
    return None if name in changes else getattr(reading, name)


def _replaced(reading: T, changes: Changes) -> T | None:
    if not changes:
        return reading
    return None if REQUIRED & changes.keys() else replace(reading, **changes)


def _is_number(value: int | float) -> bool:
    """Neither without end nor one of the driver's "not available"."""
    return -MAX_COUNT <= value <= MAX_COUNT and value != ALL_ONES_32
