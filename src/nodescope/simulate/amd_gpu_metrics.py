"""The binary file gpu_metrics of a simulated AMD GPU, from the same tables by which it is read."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from nodescope.devices.amd.gpu_metrics_attributes import COUNT, ENCODING, ID_SHIFT, NAMES, TYPE_SHIFT, TYPES
from nodescope.devices.amd.gpu_metrics_layouts import (
    HEADER,
    PARTITION_TABLES,
    SIZES,
    TABLES,
    Field,
    Table,
    layout,
)

Values = Mapping[str, int | Sequence[int | None]]
_ONES = 0xFF


def encode(
    form: int, content: int, values: Values, partitions: Sequence[Values] = (), size: int | None = None
) -> bytes:
    """gpu_metrics of that version. What `values` do not tell, and None in an array, is all ones: absent.

    `partitions`: the same of each. `size`: which layout, where several go by that version; the greatest without it.
    Raises `ValueError` for a version that there is not, a field that it has not, and too many instances of one.
    """
    return _encoded(TABLES, form, content, values, partitions, size)


def encode_partition(values: Values) -> bytes:
    """xcp_metrics of version 1.0."""
    return _encoded(PARTITION_TABLES, 1, 0, values, (), None)


def encode_attributes(
    values: Mapping[str, Sequence[int]], types: Mapping[str, str], form: int = 1, content: int = 9
) -> bytes:
    """A file that describes itself, with a letter of `struct` for the type of each attribute."""
    pieces = [COUNT.pack(len(values))]
    for name, numbers in values.items():
        letter = types[name]
        encoding = TYPES.index(letter) << TYPE_SHIFT | NAMES.index(name) << ID_SHIFT | len(numbers)
        pieces += [ENCODING.pack(encoding), struct.pack(f"<{len(numbers)}{letter}", *numbers)]
    body = b"".join(pieces)
    return HEADER.pack(HEADER.size + len(body), form, content) + body


def _encoded(
    tables: Mapping[tuple[int, int], tuple[Table, ...]],
    form: int,
    content: int,
    values: Values,
    partitions: Sequence[Values],
    size: int | None,
) -> bytes:
    found = [table for table in tables.get((form, content), ()) if size in (None, table.size)]
    if not found:
        raise ValueError(f"gpu_metrics: expected a known version, got {form}.{content} in {size} bytes")
    placed = layout(found[-1])
    raw = bytearray([_ONES]) * placed.size
    HEADER.pack_into(raw, 0, placed.size, form, content)
    _put(raw, placed.fields, values, 0)
    for number, part in enumerate(partitions):
        _put(raw, placed.partition, part, placed.first + number * placed.stride)
    return bytes(raw)


def _put(raw: bytearray, fields: Iterable[Field], values: Values, offset: int) -> None:
    known = {field.name: field for field in fields}
    for name, value in values.items():
        field = known.get(name)
        each = [value] if isinstance(value, int) else list(value)
        if field is None or len(each) > field.instances:
            raise ValueError(f"gpu_metrics: expected a field of this version, got {name} with {len(each)} values")
        for number, one in enumerate(each):
            if one is not None:
                at = offset + field.offset + number * SIZES[field.letter]
                struct.pack_into(f"<{field.letter}", raw, at, one)
