"""What counters did between two readings: use of CPUs, rates of disks, totals of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nodescope.collectors.host.cpu_seconds import COLUMNS, IDLE, IDLE_STEP_BACK_SECONDS, MODES, USER_HZ, CpuTimes
from nodescope.collectors.host.diskstats import SECTOR_BYTES
from nodescope.host import Malformed, text
from nodescope.kernel.number import uint64
from nodescope.records.host import CpuUsage, DiskUsage

MAX_REMEMBERED: Final = 4096
BYTES_PER_KIB: Final = 1024

_IDLE_MODES: Final = (IDLE, MODES.index("iowait"))
_READS, _SECTORS_READ, _WRITES, _SECTORS_WRITTEN = 0, 2, 4, 6
_STATISTICS: Final = (_READS, _SECTORS_READ, _WRITES, _SECTORS_WRITTEN)

Disks = Mapping[tuple[bytes, ...], list[int]]


def parse_memory(data: bytes, source: str) -> tuple[int, int | None]:
    """MemTotal, and what of it is not available, which kernels before 3.14 do not say; in bytes."""
    fields: dict[bytes, int | None] = {b"MemTotal:": None, b"MemAvailable:": None}
    for line in data.split(b"\n"):
        words = line.split()
        kib = uint64(words[1]) if len(words) == 3 and words[0] in fields and words[2] == b"kB" else None
        if kib is not None:
            fields[words[0]] = kib * BYTES_PER_KIB
    total, available = fields.values()
    if not total:
        raise Malformed(source, data, "a line like 'MemTotal: 16384 kB'")
    return total, None if available is None or available > total else total - available


def cpu_usage(before: CpuTimes, after: CpuTimes) -> tuple[float | None, list[CpuUsage]]:
    """Percent of the time that all CPUs together, and each of them, were not idle nor waiting for I/O.

    A CPU that is new, that was taken out and put in again, or for which no time has passed has none.
    """
    known = {cpu: index * COLUMNS for index, cpu in enumerate(before.cpus)}
    all_busy = all_elapsed = 0
    usage: list[CpuUsage] = []
    for index, cpu in enumerate(after.cpus):
        start = known.get(cpu)
        if start is None:
            continue
        place = index * COLUMNS
        old, new = before.seconds[start : start + len(MODES)], after.seconds[place : place + len(MODES)]
        if any(was - now >= IDLE_STEP_BACK_SECONDS for was, now in zip(old, new, strict=True)):
            continue
        # A small step back is none; neither is a column that the kernel does not give, which is not-a-number.
        ticks = [round((now - was) * USER_HZ) if now > was else 0 for was, now in zip(old, new, strict=True)]
        elapsed = sum(ticks)
        busy = elapsed - sum(ticks[mode] for mode in _IDLE_MODES)
        if elapsed > 0:
            usage.append(CpuUsage(str(cpu), 100 * busy / elapsed))
            all_busy += busy
            all_elapsed += elapsed
    return (100 * all_busy / all_elapsed if all_elapsed > 0 else None), usage


def disk_usage(before: Disks, after: Disks, elapsed_s: float) -> list[DiskUsage]:
    """Of each device that was there before; one whose counters went back is another, or one that started anew."""
    usage: dict[bytes, DiskUsage] = {}
    for key, now in after.items():
        was = before.get(key)
        if was is None or key[2] in usage or elapsed_s <= 0 or any(now[index] < was[index] for index in _STATISTICS):
            continue
        reads, sectors_read, writes, sectors_written = ((now[index] - was[index]) / elapsed_s for index in _STATISTICS)
        usage[key[2]] = DiskUsage(
            text(key[2]), sectors_read * SECTOR_BYTES, sectors_written * SECTOR_BYTES, reads, writes
        )
    return list(usage.values())


class NetworkTotals:
    """Bytes of all devices together, as counters that never go back: a device that goes leaves what it counted."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}
        self.received = 0
        self.sent = 0

    def add(self, devices: Mapping[str, tuple[int, int]]) -> None:
        """`devices`: bytes received and sent since each device was made."""
        for name, now in devices.items():
            # What is gone is remembered: a device that was only not listed once has not started anew.
            was = self._last.get(name, (0, 0))
            self.received += now[0] - was[0] if now[0] >= was[0] else now[0]
            self.sent += now[1] - was[1] if now[1] >= was[1] else now[1]
        self._last.update(devices)
        if len(self._last) > MAX_REMEMBERED:
            self._last = dict(devices)
