"""The text forms of kstats, the statistics of the Solaris porting layer. Source: module/os/linux/spl/spl-kstat.c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.number import uint64, uint64s
from nodescope.kernel.signed_number import int64

MAX_FIELDS: Final = 4096
EXPECTED_NAMED: Final = "a line of name, type and data, then lines of these"
EXPECTED_IO: Final = "a line of names that begins with nread, then a line of as many numbers"
EXPECTED_DATASET: Final = "a line of dataset_name, 7 and the name of a dataset"

INT64: Final = b"3"
UINT64: Final = b"4"
STRING: Final = b"7"
_NUMBER: Final[dict[bytes, Callable[[bytes], int | None]]] = {INT64: int64, UINT64: uint64}
_HEADING: Final = [b"name", b"type", b"data"]
_IO_FIELDS: Final = 12


class Named(NamedTuple):
    """`numbers`: field -> number, of 64 bits, in the file's order. `left_out`: lines that are not as documented."""

    numbers: dict[bytes, int]
    left_out: int


def parse_named(data: bytes, source: str) -> Named:
    """The fields of a kstat of type named. Raises `Malformed` where its heading is missing."""
    lines = [line.split() for line in data.split(b"\n")]
    try:
        below = lines[lines.index(_HEADING) + 1 :]
    except ValueError:
        raise Malformed(source, data, EXPECTED_NAMED) from None
    numbers: dict[bytes, int] = {}
    left_out = 0
    for words in filter(None, below):
        if len(words) < 3:
            left_out += 1
            continue
        read = _NUMBER.get(words[1])
        if read is None:
            continue
        number = read(words[2]) if len(numbers) < MAX_FIELDS else None
        if number is None or words[0] in numbers:
            left_out += 1
        else:
            numbers[words[0]] = number
    return Named(numbers, left_out)


class NamedReader:
    """Gives what `parse_named` gives; faster for a file that is laid out as the last one was."""

    def __init__(self) -> None:
        self._lines = -1
        self._columns: tuple[list[bytes], list[bytes]] = ([], [])
        self._signed: list[int] = []

    def read(self, data: bytes, source: str) -> Named:
        heading = data.find(b"\n") + 1
        below = data.find(b"\n", heading) + 1
        words = data[below:].split()
        columns = (words[::3], words[1::3])
        same = data.count(b"\n") == self._lines and len(words) == 3 * len(columns[0]) and columns == self._columns
        if same and data[heading:below].split() == _HEADING:
            numbers = self._numbers(words[2::3])
            if numbers:
                return Named(dict(zip(columns[0], numbers, strict=True)), 0)
        named = parse_named(data, source)
        if not named.left_out and columns[0] == list(named.numbers) and len(words) == 3 * len(named.numbers):
            self._lines, self._columns = data.count(b"\n"), columns
            self._signed = [at for at, kind in enumerate(columns[1]) if kind == INT64]
        return named

    def _numbers(self, words: list[bytes]) -> list[int]:
        """Of the column data; none where one word is not a number of its type."""
        signed = [(at, int64(words[at])) for at in self._signed]
        for at in self._signed:
            words[at] = b"0"
        numbers = uint64s(words) if words else []
        for at, number in signed:
            if number is None:
                return []
            if numbers:
                numbers[at] = number
        return numbers


def parse_io(data: bytes, source: str) -> Named:
    """The fields of a kstat of type I/O: a line of names, a line of numbers. Raises `Malformed`."""
    lines = [line.split() for line in data.split(b"\n")]
    heading = next((at for at, words in enumerate(lines) if len(words) >= _IO_FIELDS and words[0] == b"nread"), None)
    below = [] if heading is None else list(filter(None, lines[heading + 1 :]))
    if heading is None or not below or len(below[0]) != len(lines[heading]):
        raise Malformed(source, data, EXPECTED_IO)
    numbers: dict[bytes, int] = {}
    left_out = len(below) - 1
    for name, word in zip(lines[heading], below[0], strict=True):
        number = uint64(word)
        if number is None or name in numbers:
            left_out += 1
        else:
            numbers[name] = number
    return Named(numbers, left_out)


def without_dataset(data: bytes, source: str) -> tuple[str, bytes]:
    """The name of the dataset of an objset's kstat, and the kstat without that line. Raises `Malformed`.

    The name is the rest of its line, for it may have blanks.
    """
    start = data.find(b"\ndataset_name") + 1
    end = data.find(b"\n", start)
    words = data[start:end].split(maxsplit=2) if 0 < start < end else []
    if len(words) < 3 or words[0] != b"dataset_name" or words[1] != STRING:
        raise Malformed(source, data[start:end], EXPECTED_DATASET)
    return text(words[2]), data[:start] + data[end + 1 :]


def body(data: bytes) -> bytes:
    """All but the first line, which says when it was read."""
    return data[data.find(b"\n") + 1 :]
