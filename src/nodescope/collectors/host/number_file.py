"""Files that hold one number each, and the rows made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.metric import Row

MAX_VALUE_BYTES: Final = 128

Parse = Callable[[bytes], float | None]
"""The number of an attribute, without blanks around it; None for bytes that are no such number."""


class NumberFile:
    """One file, its labels, and the row of what was read last."""

    __slots__ = ("_data", "_odd", "_parse", "_row", "labels", "path")

    def __init__(self, path: str, labels: tuple[str, ...], parse: Parse) -> None:
        self.path = path
        self.labels = labels
        self._parse = parse
        self._data: bytes | None = None
        self._row: Row | None = None
        self._odd = False

    def row(self, data: bytes | None, reader: AttributeReader) -> Row | None:
        """The row of `data`, None where there is no number; what is no number is counted."""
        if data is None:
            return None
        if data != self._data:
            value = self._parse(data[:MAX_VALUE_BYTES].strip())
            self._data, self._odd = data, value is None
            self._row = None if value is None else (self.labels, value)
        reader.left_out += self._odd
        return self._row


def rows_now(files: Iterable[NumberFile], reader: AttributeReader) -> list[Row]:
    """The rows of files that are read at each scrape."""
    read = reader.now
    return [row for file in files if (row := file.row(read(file.path), reader)) is not None]


def rows_anew(files: Iterable[NumberFile], reader: AttributeReader) -> list[Row]:
    """The rows of files whose numbers the caller remembers."""
    read = reader.anew
    return [row for file in files if (row := file.row(read(file.path), reader)) is not None]
