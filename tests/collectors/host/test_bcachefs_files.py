from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.bcachefs_files import (
    parse_btree_write_stats,
    parse_compression_stats,
    parse_counter,
    parse_errors,
    parse_io_done,
    parse_io_errors,
    parse_number,
    parse_size,
    size,
)
from nodescope.host import Malformed
from tests.collectors.host.bcachefs_tree import COMPRESSION, COUNTER, ERRORS, IO_DONE, IO_ERRORS, WRITES
from tests.collectors.host.machine import mangled, parses_or_refuses

PARSERS: dict[str, tuple[Any, str]] = {
    "btree_cache_size": (parse_size, "30.0M\n"),
    "btree_write_stats": (parse_btree_write_stats, WRITES),
    "compression_stats": (parse_compression_stats, COMPRESSION),
    "counter": (parse_counter, COUNTER),
    "errors": (parse_errors, ERRORS),
    "io_done": (parse_io_done, IO_DONE),
    "io_errors": (parse_io_errors, IO_ERRORS),
    "nbuckets": (parse_number, "953880\n"),
}


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"0", 0),
        (b"720\n", 720),
        (b"28.2k", 28876),
        (b"1K", 1024),
        (b"2.00M", 2097152),
        (b"3m", 3145728),
        (b"2.05G", 2201170739),
        (b"11.4T", 12534432556646),
        (b"1.50P", 1688849860263936),
        (b"2E", 2305843009213693952),
        (b"  4.00 M\n", 4194304),
        (b"4.00 MiB\n", 4194304),
        (b"720 B\n", 720),
        (b"8.00 KiB", 8192),
    ],
)
def test_size(raw: bytes, number: int) -> None:
    """A suffix multiplies by 1024 as often as it stands for, and a fraction of a byte is cut off."""
    assert size(raw) == number


@pytest.mark.parametrize(
    "raw", [b"", b"G", b"-5", b"-2.0k", b"16.0E", b"1e400", b"nan", b"inf", b"1.0Z", b"1_0", b"1 2"]
)
def test_no_size(raw: bytes) -> None:
    """What is negative, takes more than 64 bits or is no number is no size."""
    assert size(raw) is None


def test_count_that_touches_its_time() -> None:
    """Where the columns of errors run together they are one number, unless it takes more than 64 bits."""
    assert parse_errors(b"some_error  11299659571772285102\n", "errors").rows == {
        ("some_error",): (11299659571772285102,)
    }
    with pytest.raises(Malformed, match="errors: expected lines of a name"):
        parse_errors(b"some_error  21299659571772285102\n", "errors")


def test_unknown_heading() -> None:
    """Bytes below a heading that is not known are not ascribed to the operation before it."""
    table = parse_io_done(b"read:\nsb          : 1\ndiscard:\nsb          : 2\nwrite:\nsb          : 3\n", "io_done")
    assert table.rows == {("read", "sb"): (1,), ("write", "sb"): (3,)}
    assert table.left_out == 2


def test_missing_number_is_no_heading() -> None:
    """A type of data without its number costs itself alone."""
    table = parse_io_done(b"read:\nsb          :\nneed_gc_gens:\nuser        : 5\n", "io_done")
    assert table.rows == {("read", "user"): (5,)}
    assert table.left_out == 2


def test_answer_cut_by_the_page() -> None:
    """Where the kernel cut its answer the last number may lack digits, and is left out."""
    lines = b"".join(b"%-48d%-8d1767112063\n" % (number, 77) for number in range(200))
    table = parse_errors(lines[:4095], "errors")
    assert len(table.rows) == 4095 // 67
    assert set(table.rows.values()) == {(77,)}
    assert table.left_out == 1


@pytest.mark.parametrize("file", PARSERS)
@given(data=st.data())
def test_any_bytes_of_a_file(file: str, data: st.DataObject) -> None:
    """Whatever a file holds, its parser answers or refuses."""
    parse, sample = PARSERS[file]
    content = data.draw(mangled(sample.encode()))
    parses_or_refuses(lambda: parse(content, file))
