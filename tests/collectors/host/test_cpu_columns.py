from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.cpu_columns import cpus_of, many_uint64s
from nodescope.host import Malformed
from nodescope.kernel.number import uint64
from tests.collectors.host.machine import ODD_WORDS, parses_or_refuses


def test_cpus_by_name() -> None:
    """The CPUs are those that are named, in that order, whichever are missing between them."""
    assert cpus_of(b"           CPU0       CPU2       CPU11  ", "interrupts") == ["0", "2", "11"]


@pytest.mark.parametrize("header", [b"", b"   ", b"CPU", b"CPU0 CPU0", b"CPU0 CPUx", b"CPU0 7", b"cpu0", b"CPU\xb2"])
def test_no_header(header: bytes) -> None:
    """A line that is not a list of CPUs, each once, is refused, and the message names the file."""
    with pytest.raises(Malformed, match="interrupts: expected a line of CPUs"):
        cpus_of(header, "interrupts")


def test_largest_number() -> None:
    """Numbers are read up to 2**64-1, with zeros in front too."""
    assert many_uint64s([b"18446744073709551615", b"0"]) == [2**64 - 1, 0]
    assert many_uint64s([b"007", b"18446744073709551615"]) == [7, 2**64 - 1]


@given(st.lists(st.integers(0, 2**65).map(lambda number: b"%d" % number) | st.sampled_from(ODD_WORDS), min_size=1))
def test_as_one_by_one(words: list[bytes]) -> None:
    """Many numbers are read as each alone is, and one that is none spoils them all."""
    words = [word for word in words if word.split() == [word]]
    alone = [uint64(word) for word in words]
    assert many_uint64s(words) == ([] if None in alone else alone)


@given(st.binary())
def test_any_bytes(header: bytes) -> None:
    """Whatever the line holds, the parser answers or refuses."""
    parses_or_refuses(lambda: cpus_of(header, "interrupts"))
