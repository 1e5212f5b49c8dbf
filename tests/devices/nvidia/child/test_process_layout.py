"""Tests of how processes are read from the driver's memory."""

from __future__ import annotations

import struct
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.child.library import driver_of
from nodescope.devices.nvidia.child.process_layout import (
    NOT_AVAILABLE,
    PLAIN,
    PROTECTED,
    WITH_INSTANCE,
    Running,
    best,
    layouts,
    parse,
    plausible,
)

TOTAL = 150754820096
NONE = 0xFFFFFFFF

PROCESSES = [Running(4000 + number, (number + 1) << 30, number % 3, 0) for number in range(5)]


def laid_out(layout: struct.Struct) -> memoryview:
    rows = [layout.pack(each.pid, each.memory_bytes, each.gpu_instance, each.compute_instance) for each in PROCESSES]
    return memoryview(b"".join(rows) + bytes(1024))


@pytest.mark.parametrize(
    ("version", "driver", "layout"),
    [
        (3, "525.147.05", WITH_INSTANCE),
        (3, "535.54.03", PROTECTED),
        (3, "535.86.10", PROTECTED),
        (3, "535.104.05", WITH_INSTANCE),
        (3, "570.86.10", WITH_INSTANCE),
        (2, "470.223.02", WITH_INSTANCE),
        (1, "418.87", PLAIN),
        (3, "", WITH_INSTANCE),
    ],
)
def test_the_driver_chooses_the_layout(version: int, driver: str, layout: struct.Struct) -> None:
    """The structure is that of the call's version, and for a while of the driver's."""
    assert layouts(version, driver_of(driver))[0] is layout


def test_what_is_not_known_is_none() -> None:
    """Memory of all ones, and instances of all ones, are unknown."""
    memory = memoryview(WITH_INSTANCE.pack(12, NOT_AVAILABLE, NONE, NONE) + PLAIN.pack(13, 5))
    assert parse(memory[:24], 1, WITH_INSTANCE) == [Running(12)]
    assert parse(memory[24:], 1, PLAIN) == [Running(13, 5)]


@pytest.mark.parametrize("written", [WITH_INSTANCE, PROTECTED])
@pytest.mark.parametrize("order", [(WITH_INSTANCE, PROTECTED), (PROTECTED, WITH_INSTANCE)])
def test_a_driver_that_lays_out_otherwise_is_found_out(
    written: struct.Struct, order: tuple[struct.Struct, ...]
) -> None:
    """Where the first layout gives processes that cannot be, the other one is taken."""
    check = partial(plausible, total_bytes=TOTAL, exists=lambda pid: 4000 <= pid < 4100)
    assert best(laid_out(written), len(PROCESSES), order, check) == PROCESSES


def test_processes_that_cannot_be_are_dropped() -> None:
    """A process that does not exist, has no number, or more memory than the GPU is dropped; the others stay."""
    given = [Running(1, 10), Running(0, 10), Running(2, TOTAL + 1), Running(3), Running(4194305, 1), Running(9, 1)]
    kept, dropped = plausible(given, TOTAL, lambda pid: pid != 9)
    assert kept == [Running(1, 10), Running(3)]
    assert dropped == 4


@given(
    st.binary(max_size=200),
    st.integers(0, 50),
    st.sampled_from([PLAIN, WITH_INSTANCE, PROTECTED]),
    st.none() | st.integers(0, 1 << 64),
)
def test_any_memory_is_read(data: bytes, count: int, layout: struct.Struct, total: int | None) -> None:
    """Whatever the driver wrote gives at most as many processes as there is room for, all of them possible."""
    kept, dropped = plausible(parse(memoryview(data), count, layout), total, lambda pid: True)
    assert len(kept) + dropped == min(count, len(data) // layout.size)
    for process in kept:
        assert process.pid > 0
        assert process.memory_bytes is None or total is None or process.memory_bytes <= total
