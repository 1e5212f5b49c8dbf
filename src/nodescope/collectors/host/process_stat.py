"""The state of a process or thread: /proc/PID/stat and /proc/PID/task/TID/stat."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.number import uint64

STATE: Final = 0
THREADS: Final = 17
"""Places of the fields behind the command: state, and how many threads there are."""


class ProcessStat(NamedTuple):
    """`state`: one letter. `threads`: 0 while the process ends."""

    state: str
    threads: int


def parse_process_stat(data: bytes, source: str) -> ProcessStat:
    """The command may hold anything, brackets and line feeds too: behind its last bracket is no other one.

    Raises `Malformed`.
    """
    _, bracket, behind = data.rpartition(b")")
    words = behind.split(None, THREADS + 1)
    if bracket and len(words) > THREADS and len(words[STATE]) == 1 and words[STATE].isalpha():
        threads = uint64(words[THREADS])
        if threads is not None:
            return ProcessStat(words[STATE].decode(), threads)
    raise Malformed(source, data, "a number, a command in brackets, a letter and at least 17 numbers")
