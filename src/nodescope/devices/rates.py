"""Rates of a GPU's traffic, from two samples of its counters.

*Source*: NVML's field values 197 and 198 (PCIe bytes; "can be wrapped", nvml.h), 138 and 139 (NVLink data, KiB, of all
links or of one). *Units*: kilobytes (1000 bytes) per second; NVLink as DCGM has it, KiB per second divided by 1000.
*Absent when*: there is no earlier sample, or a counter is less than it was: it wrapped or began again, and by how much
is not known. A counter of 32 bits that goes round more than once between two samples cannot be told from a slow one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from nodescope.records.gpu import GpuReading, GpuReport, LinkReading

FORGET_SECONDS: Final = 60.0
"""A GPU that gave no sample for so long starts afresh: a mean over a longer time is not a rate."""

BYTES_PER_KILOBYTE: Final = 1000
KIBIBYTES_PER_STEP: Final = 1000
NVLINK_TOTALS: Final = ("nvlink_throughput_data_tx", "nvlink_throughput_data_rx")

replace = msgspec.structs.replace


class _Counters(NamedTuple):
    """What was counted at one moment. `links`: KiB sent and received, by link; None where one of them is unknown."""

    seconds: float
    pcie_tx_bytes: int | None
    pcie_rx_bytes: int | None
    nvlink_kibibytes: int | None
    links: Mapping[int, int | None]


class _Result(NamedTuple):
    """What is filled in. `links`: by link."""

    reading: Mapping[str, float]
    links: Mapping[int, float]


_NOTHING: Final = _Result({}, {})


class Rates:
    """Remembers the last counters of each GPU, and of those not seen for `FORGET_SECONDS` nothing."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[_Counters, _Result]] = {}
        self._newest = 0.0

    def applied(self, report: GpuReport) -> GpuReport:
        """`report` with its rates; those that it has already stay. The same sample again gives the same again."""
        if not report.sampled_monotonic_seconds:
            return report
        self._forget(report.sampled_monotonic_seconds)
        before = self._last.get(report.uuid)
        if before is None:
            result = _NOTHING
        elif before[0].seconds == report.sampled_monotonic_seconds:
            return _filled(report, before[1])
        else:
            result = _rates(before[0], _counters(report))
        self._last[report.uuid] = (_counters(report), result)
        return _filled(report, result)

    def _forget(self, now: float) -> None:
        self._newest = max(self._newest, now)
        if any(self._newest - last.seconds > FORGET_SECONDS for last, _ in self._last.values()):
            self._last = {
                uuid: last for uuid, last in self._last.items() if self._newest - last[0].seconds <= FORGET_SECONDS
            }


def _counters(report: GpuReport) -> _Counters:
    reading = report.reading
    return _Counters(
        report.sampled_monotonic_seconds,
        reading.pcie_tx_bytes,
        reading.pcie_rx_bytes,
        _nvlink_total(reading),
        {link.link: _sum(link.tx_kibibytes, link.rx_kibibytes) for link in report.links},
    )


def _nvlink_total(reading: GpuReading) -> int | None:
    sent, received = (reading.driver_fields.get(name) for name in NVLINK_TOTALS)
    return None if sent is None or received is None else int(sent) + int(received)


def _sum(sent: int | None, received: int | None) -> int | None:
    return None if sent is None or received is None else sent + received


def _rates(before: _Counters, now: _Counters) -> _Result:
    seconds = now.seconds - before.seconds
    if seconds <= 0:
        return _NOTHING
    links = {
        link: grown / seconds / KIBIBYTES_PER_STEP
        for link, count in now.links.items()
        if (grown := _grown(before.links.get(link), count)) is not None
    }
    found = {
        "pcie_tx_kilobytes_per_second": _rate(before.pcie_tx_bytes, now.pcie_tx_bytes, seconds * BYTES_PER_KILOBYTE),
        "pcie_rx_kilobytes_per_second": _rate(before.pcie_rx_bytes, now.pcie_rx_bytes, seconds * BYTES_PER_KILOBYTE),
        "nvlink_megabytes_per_second": _nvlink_rate(before, now, seconds, links),
    }
    return _Result({name: value for name, value in found.items() if value is not None}, links)


def _nvlink_rate(before: _Counters, now: _Counters, seconds: float, links: Mapping[int, float]) -> float | None:
    """Of the driver's totals; without them the sum over the links, where every one that is counted has a rate."""
    if now.nvlink_kibibytes is not None:
        return _rate(before.nvlink_kibibytes, now.nvlink_kibibytes, seconds * KIBIBYTES_PER_STEP)
    counted = sum(count is not None for count in now.links.values())
    return sum(links.values()) if counted and counted == len(links) else None


def _rate(before: int | None, now: int | None, seconds: float) -> float | None:
    grown = _grown(before, now)
    return None if grown is None else grown / seconds


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None or now < before else now - before


def _filled(report: GpuReport, result: _Result) -> GpuReport:
    changes: dict[str, Any] = {}
    missing = {name: value for name, value in result.reading.items() if getattr(report.reading, name) is None}
    if missing:
        changes["reading"] = replace(report.reading, **missing)
    if result.links:
        changes["links"] = tuple(_link(link, result.links.get(link.link)) for link in report.links)
    return replace(report, **changes) if changes else report


def _link(link: LinkReading, rate: float | None) -> LinkReading:
    if rate is None or link.throughput_megabytes_per_second is not None:
        return link
    return replace(link, throughput_megabytes_per_second=rate)
