"""Numbers of /proc/PID/stat, by their places behind the command's name."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.kernel.file import Malformed
from nodescope.kernel.process_stat import PARENT, RESIDENT_PAGES, START_TICKS, numbers

FIELDS = b" ".join(b"%d" % number for number in range(5, 54))


def test_numbers_behind_any_name() -> None:
    """A name with brackets and blanks in it moves no field."""
    assert numbers(b"7 (a) b) (c) S 4 " + FIELDS, "stat", PARENT, START_TICKS, RESIDENT_PAGES) == [4, 22, 24]


def test_the_kernels_own() -> None:
    """This process' parent is the one that the kernel tells otherwise, too."""
    assert numbers(Path("/proc/self/stat").read_bytes(), "stat", PARENT) == [os.getppid()]


@pytest.mark.parametrize("data", [b"", b"7 (a) S 4", b"7 (a) S x " + FIELDS, b"7 (a) S -1 " + FIELDS])
def test_what_is_none(data: bytes) -> None:
    """Fields that are missing or no numbers are refused by name of the file."""
    with pytest.raises(Malformed, match=r"^stat: expected the fields of proc_pid_stat\(5\)"):
        numbers(data, "stat", PARENT, START_TICKS)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are numbers that can be, or malformed."""
    with contextlib.suppress(Malformed):
        assert min(numbers(data, "stat", PARENT, START_TICKS)) >= 0
