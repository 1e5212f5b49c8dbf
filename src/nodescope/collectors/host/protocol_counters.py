"""Counters of network protocols: the two shapes in which the kernel prints them, and where a number stands in each.

Source: /proc/net/netstat and /proc/net/snmp are pairs of lines, names above numbers, each starting with the protocol
(Documentation/networking/snmp_counter.rst); /proc/net/snmp6 is one name and one number in each line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from nodescope.host import Malformed, text

MAX_COUNTERS: Final = 4096


class Counter(NamedTuple):
    """One number as it is printed, `line` and `word` from 0: where it stands."""

    protocol: str
    name: str
    number: bytes
    line: int
    word: int


Parse = Callable[[bytes, str], tuple[list[Counter], int]]
"""File, its path -> its counters, and how many lines are not as documented. Raises `Malformed` where all are."""


class Layout(Protocol):
    """Where the wanted numbers stand, as long as the names stand where they stood."""

    def numbers(self, data: bytes) -> list[bytes] | None:
        """The wanted numbers of `data`; None where its names are others, or stand elsewhere."""


def parse_pairs(data: bytes, source: str) -> tuple[list[Counter], int]:
    """Counters of pairs of lines. A line whose partner is missing, or has another number of words, is left out."""
    found: list[Counter] = []
    odd = 0
    names: list[bytes] = []
    for index, line in enumerate(data.split(b"\n")):
        words = line.split()
        if not words:
            continue
        if not names or words[0] != names[0]:
            # Names without numbers: what comes now can only be names.
            odd += bool(names)
            names = words
            continue
        if len(words) == len(names) and names[0][-1:] == b":" and len(found) < MAX_COUNTERS:
            protocol = text(names[0][:-1])
            columns = enumerate(zip(names[1:], words[1:], strict=True), 1)
            found += [Counter(protocol, text(name), number, index, word) for word, (name, number) in columns]
        else:
            odd += 1
        names = []
    odd += bool(names)
    if not found:
        raise Malformed(source, data, "pairs of lines, PROTOCOL: with names and PROTOCOL: with as many numbers")
    return found, odd


def parse_lines(data: bytes, source: str) -> tuple[list[Counter], int]:
    """Counters of lines like `Ip6InReceives 7`: the protocol ends at the first 6. Other lines are left out."""
    found: list[Counter] = []
    odd = 0
    for index, line in enumerate(data.split(b"\n")):
        words = line.split()
        if not words:
            continue
        protocol, six, name = words[0].partition(b"6")
        if len(words) < 2 or not six or len(found) >= MAX_COUNTERS:
            odd += 1
            continue
        found.append(Counter(text(protocol + six), text(name), words[1], index, 1))
    if not found:
        raise Malformed(source, data, "lines of a name with a 6, and a number")
    return found, odd


class PairsLayout:
    """Of `parse_pairs`."""

    def __init__(self, data: bytes, wanted: list[Counter]) -> None:
        lines = data.split(b"\n")
        self._names = lines[::2]
        self._blanks = [line.count(b" ") for line in lines[1::2]]
        self._starts = [line.partition(b" ")[0] for line in lines[::2]][: len(self._blanks)]
        by_line: dict[int, list[int]] = {}
        for counter in wanted:
            by_line.setdefault(counter.line, []).append(counter.word)
        self._wanted = [(line, len(lines[line].split()), words) for line, words in by_line.items()]
        self._in_order = [counter.line for counter in wanted] == [
            line for line, words in by_line.items() for _ in words
        ]

    def numbers(self, data: bytes) -> list[bytes] | None:
        lines = data.split(b"\n")
        below = lines[1::2]
        if not self._in_order or lines[::2] != self._names or [line.count(b" ") for line in below] != self._blanks:
            return None
        if not all(map(bytes.startswith, below, self._starts)):
            return None
        found: list[bytes] = []
        for line, length, wanted in self._wanted:
            words = lines[line].split()
            if len(words) != length:
                return None
            found += [words[word] for word in wanted]
        return found


class LinesLayout:
    """Of `parse_lines`."""

    def __init__(self, data: bytes, wanted: list[Counter]) -> None:
        words = data.split()
        self._lines = data.count(b"\n")
        self._names = words[::2]
        self._wanted = [2 * counter.line + counter.word for counter in wanted]

    def numbers(self, data: bytes) -> list[bytes] | None:
        words = data.split()
        if len(words) % 2 or words[::2] != self._names or data.count(b"\n") != self._lines:
            return None
        return [words[position] for position in self._wanted]
