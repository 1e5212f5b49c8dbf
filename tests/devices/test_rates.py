"""Rates of traffic from counters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nodescope.devices.rates import Rates
from nodescope.records.gpu import GpuReport, LinkReading
from tests.devices.gpu_reports import report

replace = msgspec.structs.replace


def with_links(sample: GpuReport, *links: tuple[int, int | None, int | None]) -> GpuReport:
    made = (LinkReading(link=number, tx_kibibytes=tx, rx_kibibytes=rx) for number, tx, rx in links)
    return replace(sample, links=tuple(made))


def rates_of(sample: GpuReport) -> tuple[Any, ...]:
    reading = sample.reading
    return (
        reading.pcie_tx_kilobytes_per_second,
        reading.pcie_rx_kilobytes_per_second,
        reading.nvlink_megabytes_per_second,
        *(link.throughput_megabytes_per_second for link in sample.links),
    )


def nvlink(tx: int, rx: int) -> dict[str, int | float]:
    return {"nvlink_throughput_data_tx": tx, "nvlink_throughput_data_rx": rx}


def test_rates_over_the_exact_time() -> None:
    """Growth by the time between the samples: PCIe in 1000 bytes, NVLink as DCGM has it; nothing for the first."""
    rates = Rates()
    first = with_links(report(10.0, pcie_tx_bytes=0, pcie_rx_bytes=500, driver_fields=nvlink(0, 5)), (0, 7, 7))
    assert rates.applied(first) is first
    second = with_links(
        report(12.5, pcie_tx_bytes=5_000_000, pcie_rx_bytes=500, driver_fields=nvlink(2_000_000, 500_005)),
        (0, 1007, 1507),
    )
    assert rates_of(rates.applied(second)) == (2000.0, 0.0, 1000.0, 1.0)


def test_each_way_has_its_rate() -> None:
    """What is sent and received has rates of its own; without totals those of the links are summed, each way alone."""
    rates = Rates()
    rates.applied(with_links(report(1.0, driver_fields=nvlink(0, 0)), (0, 0, 0), (1, 0, 0)))
    sample = rates.applied(with_links(report(2.0, driver_fields=nvlink(3000, 500)), (0, 1000, 250), (1, 2000, 250)))
    reading, link = sample.reading, sample.links[0]
    assert (reading.nvlink_tx_megabytes_per_second, reading.nvlink_rx_megabytes_per_second) == (3.0, 0.5)
    assert (link.tx_megabytes_per_second, link.rx_megabytes_per_second) == (1.0, 0.25)
    sample = rates.applied(with_links(report(3.0, driver_fields={}), (0, 2000, 0), (1, 3000, 500)))
    reading, link = sample.reading, sample.links[0]
    assert (reading.nvlink_tx_megabytes_per_second, reading.nvlink_rx_megabytes_per_second) == (2.0, None)
    assert (link.tx_megabytes_per_second, link.rx_megabytes_per_second) == (1.0, None)
    assert (reading.nvlink_megabytes_per_second, link.throughput_megabytes_per_second) == (None, None)


def test_the_same_sample_has_the_same_rates() -> None:
    """A sample that comes again, as it does where a GPU is late, has the rates that it had."""
    rates = Rates()
    rates.applied(report(10.0, pcie_tx_bytes=0))
    again = [rates.applied(report(11.0, pcie_tx_bytes=7000)) for _ in range(3)]
    assert [sample.reading.pcie_tx_kilobytes_per_second for sample in again] == [7.0] * 3


@pytest.mark.parametrize("after", [5, None])
def test_a_counter_that_went_back_has_no_rate(after: int | None) -> None:
    """After a wrap, a reset or a gap there is no rate for one interval, and its neighbours keep theirs."""
    rates = Rates()
    rates.applied(with_links(report(1.0, pcie_tx_bytes=2**32 - 10, pcie_rx_bytes=0), (0, 9000, 9000), (1, 0, 0)))
    wrapped = with_links(report(2.0, pcie_tx_bytes=after, pcie_rx_bytes=1000), (0, 0, after), (1, 1000, 0))
    assert rates_of(rates.applied(wrapped)) == (None, 1.0, 0.0, None, 1.0)
    following = with_links(report(3.0, pcie_tx_bytes=1005, pcie_rx_bytes=1000), (0, 500, 505), (1, 1000, 0))
    rate = None if after is None else 1.0
    assert rates_of(rates.applied(following)) == (rate, 0.0, 0.0, rate, 0.0)


def test_without_totals_nvlink_is_the_sum_of_its_links() -> None:
    """Where the driver has no totals the links are summed; where one that is counted has no rate there is no sum."""
    rates = Rates()
    rates.applied(with_links(report(1.0, driver_fields={}), (0, 0, 0), (1, 0, 0), (2, None, None)))
    both = with_links(report(2.0, driver_fields={}), (0, 1000, 0), (1, 500, 1500), (2, None, None))
    assert rates.applied(both).reading.nvlink_megabytes_per_second == 3.0
    one_reset = with_links(report(3.0, driver_fields={}), (0, 0, 0), (1, 600, 1500), (2, None, None))
    assert rates.applied(one_reset).reading.nvlink_megabytes_per_second is None
    none = with_links(report(4.0, driver_fields={}))
    assert rates.applied(none).reading.nvlink_megabytes_per_second is None


def test_what_the_source_gives_stays() -> None:
    """A rate that comes with the report is not touched, also of a link."""
    rates = Rates()
    rates.applied(report(1.0))
    given = report(2.0, pcie_tx_kilobytes_per_second=371.0, pcie_tx_bytes=2 * 10**12)
    given = replace(given, links=(replace(given.links[0], throughput_megabytes_per_second=9.0),))
    assert rates_of(rates.applied(given)) == (371.0, 0.0, 0.0, 9.0)


def test_a_gpu_not_seen_for_a_minute_is_forgotten() -> None:
    """After 60 s there is no rate, and the GPU that vanished is no longer kept; just within it there is one."""
    rates = Rates()
    for uuid in ("GPU-1", "GPU-2"):
        rates.applied(report(0.5, uuid))
    assert rates.applied(report(60.5, "GPU-1")).reading.pcie_rx_kilobytes_per_second == 0.0
    rates.applied(report(60.6, "GPU-1"))
    assert list(rates._last) == ["GPU-1"]
    assert rates.applied(report(120.7, "GPU-1")).reading.pcie_rx_kilobytes_per_second is None


def test_no_reading_and_a_clock_that_goes_back() -> None:
    """A report that was never sampled passes unchanged; one that is older than the one before has no rates."""
    rates = Rates()
    lost = GpuReport(uuid="GPU-1", state="lost")
    assert rates.applied(lost) is lost
    rates.applied(report(10.0))
    assert rates.applied(report(9.0)).reading.pcie_rx_kilobytes_per_second is None
    assert rates.applied(report(10.0)).reading.pcie_rx_kilobytes_per_second == 0.0
