"""Reads NVML's field values: many numbers of one device with one call. Source: nvml.h, `nvmlDeviceGetFieldValues`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import INVALID_ARGUMENT, REFUSED, SUCCESS
from nodescope.devices.nvidia.child.field_ids import MEMORY_TEMPERATURE, NONE_AT_ZERO, Field
from nodescope.devices.nvidia.child.library import Driver

CALL: Final = "nvmlDeviceGetFieldValues"
LAYOUT: Final = struct.Struct("IIqqiiQ")
"""nvmlFieldValue_t: field, scope, time stamp, latency, type, return code, value."""

UNSIGNED_INT: Final = 1
Number = int | float
Values = dict[str, Any]


class Wanted(NamedTuple):
    """One number to ask for, and the places that it is put into: a dict and a key of it."""

    number: int
    scope: int
    places: tuple[tuple[Values, str], ...]


def _double(raw: int) -> float:
    return float(struct.unpack("d", raw.to_bytes(8, "little"))[0])


def _signed(raw: int, bits: int) -> int:
    raw &= (1 << bits) - 1
    return raw - (1 << bits) if raw >> (bits - 1) else raw


_NUMBERS: Final[dict[int, Callable[[int], Number]]] = {
    0: _double,
    UNSIGNED_INT: lambda raw: raw & 0xFFFFFFFF,
    2: lambda raw: raw,
    3: lambda raw: raw,
    4: lambda raw: _signed(raw, 64),
    5: lambda raw: _signed(raw, 32),
    6: lambda raw: raw & 0xFFFF,
}
"""nvmlValueType_t -> the number in the 8 bytes of nvmlValue_t."""


def number_in(raw: int, value_type: int, field: int = 0) -> Number | None:
    """The number in `raw`; None where it is none, or of a type that is not known.

    The memory's temperature is an unsigned int whatever the driver says: 545 calls it a double. Of it and of power
    limits 0 is none.
    """
    convert = _NUMBERS.get(UNSIGNED_INT if field == MEMORY_TEMPERATURE else value_type)
    number = None if convert is None else convert(raw)
    if field in NONE_AT_ZERO and number == 0:
        return None
    return None if number is None or not math.isfinite(number) else number


class FieldList:
    """Numbers of one device that are asked for together. What it refuses is not asked for again."""

    def __init__(self, calls: Calls, handle: Any, wanted: Iterable[Wanted]) -> None:
        self._calls = calls
        self._handle = handle
        self._function = calls.function(CALL)
        self._arrange(list(wanted) if self._function is not None else [])

    def __len__(self) -> int:
        return len(self._wanted)

    def read(self) -> None:
        """Asks, and puts each number into its places. Raises `GpuLost`, `CallFailed`."""
        wanted = self._wanted
        if not wanted or self._function is None:
            return
        code = self._calls.make(CALL, self._function, self._handle, len(wanted), self._array)
        if code != SUCCESS:
            if code in REFUSED:
                self._arrange([])
            return
        refused = set()
        rows = LAYOUT.iter_unpack(self._memory)
        for (number, scope, places), (_, _, _, _, value_type, code, raw) in zip(wanted, rows, strict=True):
            if code == SUCCESS:
                value = raw if value_type == 3 else number_in(raw, value_type, number)
                if value is not None:
                    for values, name in places:
                        values[name] = value
            elif code in REFUSED or code == INVALID_ARGUMENT:
                refused.add((number, scope))
            else:
                self._calls.note(CALL, code)
        if refused:
            self._arrange([each for each in wanted if (each.number, each.scope) not in refused])

    def _arrange(self, wanted: list[Wanted]) -> None:
        self._wanted = wanted
        self._array = (pynvml.c_nvmlFieldValue_t * len(wanted))()
        self._memory = memoryview(self._array).cast("B")
        for place, each in enumerate(wanted):
            LAYOUT.pack_into(self._memory, place * LAYOUT.size, each.number, each.scope, 0, 0, 0, 0, 0)


class DriverFields:
    """The fields of the table of one GPU, those of each cycle and those that are read seldom.

    `reading` and `driver_fields` are filled anew by each `read`.
    """

    def __init__(self, calls: Calls, handle: Any, fields: Iterable[Field], driver: Driver) -> None:
        self.reading: Values = {}
        self.driver_fields: Values = {}
        self._list = FieldList(calls, handle, self._wanted(fields, driver))

    def read(self) -> None:
        """Raises `GpuLost`, `CallFailed`."""
        self.reading.clear()
        self.driver_fields.clear()
        self._list.read()

    def _wanted(self, fields: Iterable[Field], driver: Driver) -> Iterable[Wanted]:
        for field in fields:
            number = field.number_in(driver)
            if number is not None:
                places = ((self.reading, field.reading), (self.driver_fields, field.name))
                yield Wanted(number, field.scope, tuple(place for place in places if place[1]))
