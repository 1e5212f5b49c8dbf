"""Calls that give numbers, described by tables: the call, its arguments, and the field of a record for each number."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import INVALID_ARGUMENT, OUTDATED, REFUSED, SUCCESS

Values = dict[str, Any]


class Query(NamedTuple):
    """`fields`: name in the record, number of the output, its attribute. `inputs` come before the outputs.

    `unknown`: what the driver says for a number it does not know.
    """

    call: str
    fields: tuple[tuple[str, int, str], ...]
    outputs: tuple[Callable[[], Any], ...]
    inputs: tuple[int, ...] = ()
    unknown: int | None = None
    device: bool = True


Choice = tuple[Query, ...]
"""Calls for the same values, the best first: where the driver has not one it may have the next."""


def uints(call: str, *fields: str, inputs: tuple[int, ...] = (), outputs: int = 0, unknown: int | None = None) -> Query:
    """A call that gives unsigned numbers, as many as there are fields, or `outputs`."""
    places = tuple((field, place, "value") for place, field in enumerate(fields))
    return Query(call, places, (ctypes.c_uint,) * (outputs or len(fields)), inputs, unknown)


def struct(call: str, make: Callable[[], Any], **fields: str) -> Query:
    """A call that fills one structure: record field = the structure's."""
    return Query(call, tuple((field, 0, attribute) for field, attribute in fields.items()), (make,))


def versioned(make: Callable[..., Any], version: int, **others: int) -> Callable[[], Any]:
    """What makes a structure that says of which version it is."""

    def made() -> Any:
        return make(version=version, **others)

    return made


class _Bound:
    """A query about one device, ready to be made again and again into the same outputs."""

    __slots__ = ("arguments", "expected", "fields", "function", "later", "name", "unknown")

    def __init__(self, query: Query, function: Callable[..., int], handle: Any, later: Choice) -> None:
        outputs = [make() for make in query.outputs]
        first = (handle,) if query.device else ()
        self.name = query.call
        self.function = function
        self.arguments = (*first, *query.inputs, *(ctypes.byref(output) for output in outputs))
        self.fields = [(field, outputs[place], attribute) for field, place, attribute in query.fields]
        self.unknown = query.unknown
        self.later = later
        # Some drivers call a structure that is too new for them, or what the device has not, an invalid argument.
        self.expected = (INVALID_ARGUMENT,) if later else ()

    def take(self, values: Values) -> None:
        """Puts what was answered into `values`."""
        for field, output, attribute in self.fields:
            value = getattr(output, attribute)
            if value != self.unknown:
                values[field] = value

    def is_refused(self, code: int) -> bool:
        """Whether there is no use in asking again."""
        return code in REFUSED or code in OUTDATED or code in self.expected


class Queries:
    """Queries about one device. What it refuses is not asked again."""

    def __init__(self, calls: Calls, handle: Any, choices: Iterable[Choice]) -> None:
        self._calls = calls
        self._handle = handle
        self._bound = [bound for choice in choices if (bound := self._bind(choice)) is not None]

    def __len__(self) -> int:
        return len(self._bound)

    def read(self, values: Values) -> None:
        """Asks each, and puts into `values` what is answered. Raises `GpuLost`, `CallFailed`."""
        make = self._calls.make
        refused: dict[_Bound, _Bound | None] = {}
        for bound in self._bound:
            code = make(bound.name, bound.function, *bound.arguments, expected=bound.expected)
            if code == SUCCESS:
                bound.take(values)
            elif bound.is_refused(code):
                refused[bound] = self._ask_older(bound, values)
        if refused:
            self._bound = [kept for bound in self._bound if (kept := refused.get(bound, bound)) is not None]

    def _ask_older(self, bound: _Bound, values: Values) -> _Bound | None:
        """The next choice that the device does not refuse either, asked for the first time."""
        while (older := self._bind(bound.later)) is not None:
            code = self._calls.make(older.name, older.function, *older.arguments, expected=older.expected)
            if code == SUCCESS:
                older.take(values)
            elif older.is_refused(code):
                bound = older
                continue
            return older
        return None

    def _bind(self, choice: Sequence[Query]) -> _Bound | None:
        """The first that the driver has. One that is left out, because it hung, has no substitute."""
        for place, query in enumerate(choice):
            if self._calls.exists(query.call):
                function = self._calls.function(query.call)
                return None if function is None else _Bound(query, function, self._handle, tuple(choice[place + 1 :]))
        return None
