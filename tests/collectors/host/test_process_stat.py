from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.process_stat import ProcessStat, parse_process_stat
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses

SAMPLE = b"17 (khungtaskd) S 2 0 0 0 -1 2129984 0 0 0 0 14 0 0 0 20 0 3 0 24 0 0 18446744073709551615 0 0 0 0 0\n"


def test_state_and_threads() -> None:
    """The first field behind the command is the state, the eighteenth how many threads there are."""
    assert parse_process_stat(SAMPLE, "stat") == ProcessStat("S", 3)


@pytest.mark.parametrize("command", [b"", b"a b", b") R (", b"((((", b"x) R 1 1 1", b"\n", b"\xff\xfe", b") Z 1\n) R"])
def test_any_command(command: bytes) -> None:
    """A command may hold brackets, blanks and line feeds."""
    assert parse_process_stat(SAMPLE.replace(b"khungtaskd", command), "stat") == ProcessStat("S", 3)


@pytest.mark.parametrize(
    "data", [b"", b"17", b"17 (x) S 1 2 3", b"17 x S" + b" 1" * 40, SAMPLE.replace(b" 20 0 3", b" 20 0 x"),
             SAMPLE.replace(b") S", b") 1"), SAMPLE.replace(b") S", b") SS"), SAMPLE.replace(b" 20 0 3", b" 20 0 -3")]
)  # fmt: skip
def test_malformed(data: bytes) -> None:
    """Without a letter, or a number of threads, the file is refused, and the message names it."""
    with pytest.raises(Malformed, match="proc/17/stat: expected a number, a command"):
        parse_process_stat(data, "proc/17/stat")


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_process_stat(data, "stat"))


@given(st.binary(max_size=64))
def test_any_bytes_in_a_command(command: bytes) -> None:
    """No command changes what the fields behind it say."""
    assert parse_process_stat(SAMPLE.replace(b"khungtaskd", command), "stat") == ProcessStat("S", 3)
