"""The binary file gpu_metrics of AMD's driver: what it says, by the kernel's names.

*Source*: /sys/class/drm/cardN/device/gpu_metrics; xcp/xcp_metrics of a partition's device (since Linux 6.17).
Documentation/gpu/amdgpu/thermal.rst; layouts: `gpu_metrics_layouts.py`. *Units*: the kernel's, see
`gpu_metrics_reading.py`.
*Absent when*: a field whose bits are all ones, and so an element of an array; the file, of GPUs before 2019.
*Cost*: about 0.1 ms a file of 3,872 bytes.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.devices.amd.gpu_metrics_attributes import Value, attributes, present
from nodescope.devices.amd.gpu_metrics_layouts import (
    HEADER,
    MAX_PARTITIONS,
    PARTITION_TABLES,
    SIZES,
    TABLES,
    Field,
    Table,
    layout,
    table_of,
)
from nodescope.kernel.file import Malformed

SELF_DESCRIBING: Final = (1, 9)
PARTITION_SELF_DESCRIBING: Final = (1, 1)

_UNWANTED_TEXT: Final = (
    "padding padding1 temperature_core temperature_l3 average_temperature_core average_temperature_l3"
    " average_core_power average_core_c0_activity current_coreclk current_l3clk time_filter_alphavalue"
)
_UNWANTED: Final = frozenset(_UNWANTED_TEXT.split())
"""Filling, and what is of the processor's cores alone."""


class GpuMetrics(NamedTuple):
    """What one file says. `values`: by the kernel's name, a number or, of an array, one for each instance; what is
    absent is left out, or None within an array. `partitions`: the same of each partition, by its number.
    """

    format: int
    content: int
    values: dict[str, Value]
    partitions: tuple[dict[str, Value], ...] = ()

    def number(self, name: str) -> int | None:
        """A single number, or None."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def each(self, name: str) -> tuple[int | None, ...]:
        """All instances of an array, or the one number as its only instance, or nothing."""
        value = self.values.get(name)
        return () if value is None else (value,) if isinstance(value, int) else value


class _Step(NamedTuple):
    """A field among the unpacked numbers. `ones`: its value where all bits are one."""

    name: str
    first: int
    instances: int
    ones: int


class _Unpacking(NamedTuple):
    numbers: struct.Struct
    steps: tuple[_Step, ...]


class _Compiled(NamedTuple):
    whole: _Unpacking
    partition: _Unpacking | None
    first: int
    stride: int


def decode(raw: bytes, source: str) -> GpuMetrics:
    """A file gpu_metrics. Raises `Malformed`, naming `source`, for one that is too short or of no known layout."""
    revision, size = _header(raw, source)
    if revision == SELF_DESCRIBING:
        return GpuMetrics(*revision, attributes(raw, source))
    table = table_of(TABLES, revision, size)
    return _decoded(raw, source, revision, size, table)


def decode_partition(raw: bytes, source: str) -> GpuMetrics:
    """A file xcp_metrics: `values` are the partition's alone. Raises as `decode`."""
    revision, size = _header(raw, source)
    if revision == PARTITION_SELF_DESCRIBING:
        return GpuMetrics(*revision, attributes(raw, source))
    table = table_of(PARTITION_TABLES, revision, size)
    return _decoded(raw, source, revision, size, table)


def _header(raw: bytes, source: str) -> tuple[tuple[int, int], int]:
    if len(raw) < HEADER.size:
        raise Malformed(source, raw, f"a header of {HEADER.size} bytes")
    size, form, content = HEADER.unpack_from(raw)
    return (form, content), size


def _decoded(raw: bytes, source: str, revision: tuple[int, int], size: int, table: Table | None) -> GpuMetrics:
    if table is None:
        raise Malformed(source, raw, f"a known layout, not version {revision[0]}.{revision[1]} in {size} bytes")
    if len(raw) < table.size:
        raise Malformed(source, raw, f"{table.size} bytes of version {revision[0]}.{revision[1]}, not {len(raw)}")
    compiled = _compiled(table)
    values = _unpacked(compiled.whole, raw, 0)
    if compiled.partition is None:
        return GpuMetrics(*revision, values)
    told = values.get("num_partition", MAX_PARTITIONS)
    count = min(told, MAX_PARTITIONS) if isinstance(told, int) else MAX_PARTITIONS
    first, stride = compiled.first, compiled.stride
    partitions = [_unpacked(compiled.partition, raw, first + number * stride) for number in range(count)]
    while partitions and not partitions[-1]:
        partitions.pop()
    return GpuMetrics(*revision, values, tuple(partitions))


def _unpacked(unpacking: _Unpacking, raw: bytes, offset: int) -> dict[str, Value]:
    numbers = unpacking.numbers.unpack_from(raw, offset)
    values: dict[str, Value] = {}
    for name, first, count, ones in unpacking.steps:
        if count == 1:
            number = numbers[first]
            if number != ones:
                values[name] = number
        else:
            known = present(numbers[first : first + count], ones)
            if known is not None:
                values[name] = known
    return values


@lru_cache(maxsize=32)
def _compiled(table: Table) -> _Compiled:
    placed = layout(table)
    partition = _unpacking(placed.partition) if placed.partition else None
    return _Compiled(_unpacking(placed.fields), partition, placed.first, placed.stride)


def _unpacking(fields: tuple[Field, ...]) -> _Unpacking:
    """Of the wanted fields alone; bytes between them are passed over."""
    form = ["<"]
    steps = []
    end = numbers = 0
    for field in fields:
        if field.name not in _UNWANTED:
            size = SIZES[field.letter]
            form.append(f"{field.offset - end}x{field.instances}{field.letter}")
            steps.append(_Step(field.name, numbers, field.instances, 2 ** (8 * size) - 1))
            end = field.offset + field.instances * size
            numbers += field.instances
    return _Unpacking(struct.Struct("".join(form)), tuple(steps))
