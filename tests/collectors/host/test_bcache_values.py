from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.bcache_metrics import BACKING, CACHE
from nodescope.collectors.host.bcache_values import duration, parse_report, percent, signed_size, size
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses

WRITEBACK = BACKING.reports["writeback_rate_debug"]
PRIORITY = CACHE.reports["priority_stats"]
SAMPLE = b"rate:\t\t4.0k/sec\ntarget:\t\t3.5G\nproportional:\t-12.3k\nintegral:\t7.0M\nchange:\t\t-0.5k/sec\n"


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"0", 0),
        (b"512", 512),
        (b"18446744073709551615", 2**64 - 1),
        (b"0.0k", 0),
        (b"3.1k", 3 * 1024 + 100),
        (b"3.10k", 3 * 1024 + 1000),
        (b"999.9k", 999 * 1024 + 900),
        (b"321k", 321 * 1024),
        (b"1.5M", 2**20 + 500 * 2**10),
        (b"20.5G", 20 * 2**30 + 500 * 2**20),
        (b"1.1T", 2**40 + 100 * 2**30),
        (b"1.1P", 2**50 + 100 * 2**40),
        (b"15.9E", 15 * 2**60 + 900 * 2**50),
        (b"1.5", 1),
    ],
)
def test_sizes(raw: bytes, number: int) -> None:
    """Units are powers of 1024, and each one behind the point is a hundred of the 1024 parts."""
    assert size(raw) == number


ODD_SIZES = [
    b"", b"k", b".5k", b"5.k", b"1.2.3k", b"1 k", b"1kB", b"1K", b"1.0Z", b"16.0E", b"18446744073709551616", b"+1",
    b"--1", b"0x10", b"1e3", b"nan", b"1_0", b"9" * 5000, b"\xd9\xa1",
]  # fmt: skip


@pytest.mark.parametrize("raw", ODD_SIZES)
def test_what_is_no_size(raw: bytes) -> None:
    """Anything else is no number, whether a sign may stand there or not."""
    assert size(raw) is None
    assert signed_size(raw) is None


def test_signs() -> None:
    """A sign belongs to the whole number, which fits into 64 bits; sizes that cannot be negative have none."""
    assert signed_size(b"-0.5k") == -500
    assert signed_size(b"-20.5G") == -(20 * 2**30 + 500 * 2**20)
    assert signed_size(b"-8.0E") == -(2**63)
    assert signed_size(b"7.9E") == 7 * 2**60 + 900 * 2**50
    assert signed_size(b"8.0E") is None
    assert size(b"-1.0k") is None


def test_durations_and_percentages() -> None:
    """A duration is taken for nanoseconds, and a percentage may have its sign behind it."""
    assert duration(b"2718") == 2.718e-06
    assert duration(b"-1") is None
    assert [percent(raw) for raw in (b"0%", b"99", b"1%%", b"-1%", b"%", b"1.5%")] == [0, 99, None, None, None, None]


def test_a_report_says_what_is_wrong() -> None:
    """The error names the file and shows its bytes."""
    with pytest.raises(Malformed, match=r"bdev0: expected lines of a name, a colon and a value, got b'rated: 1'"):
        parse_report(b"rated: 1", "bdev0", WRITEBACK)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("writeback_rate", b"rate:\t\t-4.0k/sec"),
        ("writeback_rate", b"rate:"),
        ("dirty_target_bytes", b"target: 3.5G/sec"),
        ("writeback_rate_proportional_term", b"proportional: --12.3k"),
        ("writeback_rate_integral_term", b"integral: 7.0Q"),
        ("writeback_change", b"change: - 0.5k/sec"),
    ],
)
def test_one_malformed_line(name: str, broken: bytes) -> None:
    """A line without a number costs that number, and the others stay."""
    key = broken.partition(b":")[0]
    lines = [broken if line.startswith(key + b":") else line for line in SAMPLE.splitlines()]
    report = parse_report(b"\n".join(lines), "writeback_rate_debug", WRITEBACK)
    left = {metric.name: number for metric, number in parse_report(SAMPLE, "", WRITEBACK).numbers}
    del left[f"node_bcache_{name}"]
    assert {metric.name: number for metric, number in report.numbers} == left
    assert report.left_out == 1


def test_lines_that_come_twice() -> None:
    """The first one counts, the second is left out."""
    report = parse_report(b"Unused: 1%\nUnused: 2%\n", "priority_stats", PRIORITY)
    assert [number for _, number in report.numbers] == [1]
    assert report.left_out == 1


@given(mangled(SAMPLE))
def test_any_report(data: bytes) -> None:
    """Whatever the report holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_report(data, "report", WRITEBACK))


@given(st.integers(-(2**63), 2**63 - 1))
def test_sizes_of_the_kernel(number: int) -> None:
    """What the kernel prints of a number is read as at most a tenth of the unit less, and never as more."""
    parts, unit, rest = abs(number), 0, 0
    while unit == 0 or parts >= 1000:
        parts, rest = divmod(parts, 1024)
        unit += 1
    printed = f"{'-' if number < 0 else ''}{parts}.{rest * 10 // 1024}{'?kMGTPE'[unit]}"
    read = signed_size(printed.encode())
    assert read is not None
    assert 0 <= abs(number) - abs(read) < 124 * 1024 ** (unit - 1)
