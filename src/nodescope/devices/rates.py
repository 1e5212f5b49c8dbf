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

from nodescope.records.gpu import GpuReport, LinkReading

FORGET_SECONDS: Final = 60.0
"""A GPU that gave no sample for so long starts afresh: a mean over a longer time is not a rate."""

BYTES_PER_KILOBYTE: Final = 1000
KIBIBYTES_PER_STEP: Final = 1000
NVLINK_TOTALS: Final = ("nvlink_throughput_data_tx", "nvlink_throughput_data_rx")
OF_GPU: Final = ("nvlink_tx_megabytes_per_second", "nvlink_rx_megabytes_per_second", "nvlink_megabytes_per_second")
OF_LINK: Final = ("tx_megabytes_per_second", "rx_megabytes_per_second", "throughput_megabytes_per_second")
"""What is sent, what is received, and both together."""

replace = msgspec.structs.replace


Ways = tuple[int | None, int | None]
"""KiB sent and received; None where unknown."""

RateWays = tuple[float | None, float | None]


class _Counters(NamedTuple):
    """What was counted at one moment, of NVLink by all links together and by link."""

    seconds: float
    pcie_tx_bytes: int | None
    pcie_rx_bytes: int | None
    nvlink: Ways
    links: Mapping[int, Ways]


class _Result(NamedTuple):
    """What is filled in. `links`: by link."""

    reading: Mapping[str, float]
    links: Mapping[int, Mapping[str, float]]


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
    sent, received = (reading.driver_fields.get(name) for name in NVLINK_TOTALS)
    return _Counters(
        report.sampled_monotonic_seconds,
        reading.pcie_tx_bytes,
        reading.pcie_rx_bytes,
        (None if sent is None else int(sent), None if received is None else int(received)),
        {link.link: (link.tx_kibibytes, link.rx_kibibytes) for link in report.links},
    )


def _rates(before: _Counters, now: _Counters) -> _Result:
    seconds = now.seconds - before.seconds
    if seconds <= 0:
        return _NOTHING
    step_s = seconds * KIBIBYTES_PER_STEP
    links = {link: _ways(before.links.get(link, (None, None)), counts, step_s) for link, counts in now.links.items()}
    totals = _ways(before.nvlink, now.nvlink, step_s)
    if None in now.nvlink:
        totals = (_summed(0, now, links), _summed(1, now, links))
    found = {
        "pcie_tx_kilobytes_per_second": _rate(before.pcie_tx_bytes, now.pcie_tx_bytes, seconds * BYTES_PER_KILOBYTE),
        "pcie_rx_kilobytes_per_second": _rate(before.pcie_rx_bytes, now.pcie_rx_bytes, seconds * BYTES_PER_KILOBYTE),
        **_named(OF_GPU, totals),
    }
    known = {name: value for name, value in found.items() if value is not None}
    return _Result(known, {link: named for link, ways in links.items() if (named := _named(OF_LINK, ways))})


def _ways(before: Ways, now: Ways, step_s: float) -> RateWays:
    return _rate(before[0], now[0], step_s), _rate(before[1], now[1], step_s)


def _summed(way: int, now: _Counters, links: Mapping[int, RateWays]) -> float | None:
    """Over the links, where the driver has no totals and every link that is counted has a rate."""
    counted = [link for link, counts in now.links.items() if counts[way] is not None]
    rates = [rate for link in counted if (rate := links[link][way]) is not None]
    return sum(rates) if counted and len(rates) == len(counted) else None


def _named(names: tuple[str, str, str], ways: RateWays) -> dict[str, float]:
    """What is known of both ways, and of their sum."""
    sent, received = ways
    both = None if sent is None or received is None else sent + received
    return {name: value for name, value in zip(names, (sent, received, both), strict=True) if value is not None}


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
        changes["links"] = tuple(_link(link, result.links.get(link.link, {})) for link in report.links)
    return replace(report, **changes) if changes else report


def _link(link: LinkReading, rates: Mapping[str, float]) -> LinkReading:
    missing = {name: value for name, value in rates.items() if getattr(link, name) is None}
    return replace(link, **missing) if missing else link
