"""Makes the NVML calls about one GPU: knows which one is in flight, and what went wrong since the cycle began."""

from __future__ import annotations

import time
from collections.abc import Container
from typing import Any

from nodescope.devices.nvidia.child.errors import (
    DENIED,
    FATAL,
    GPU_IS_LOST,
    INSUFFICIENT_SIZE,
    NOT_FOUND,
    REFUSED,
    RESET_REQUIRED,
    SUCCESS,
    TRANSIENT,
    UNKNOWN,
    VERSION_MISMATCH,
    CallFailed,
)
from nodescope.devices.nvidia.child.library import Function, Library

_UNREMARKABLE = REFUSED | {NOT_FOUND, INSUFFICIENT_SIZE, VERSION_MISMATCH}


class GpuLost(Exception):
    """The GPU no longer answers on its bus. The argument is the call that said so."""


class Calls:
    """For one thread, but for `name` and `since`: the main thread reads them to see what hangs.

    `name`: the call in flight, "" if none; `since`: when it began, of CLOCK_MONOTONIC. The rest counts since `begin`:
    `denied` calls, `passing`, those that may well succeed later, and `left_out`, those that failed in a way of their
    own; `reset_required` and `unknown`: the first call that said so.
    """

    __slots__ = ("_library", "_skip", "denied", "left_out", "name", "passing", "reset_required", "since", "unknown")

    def __init__(self, library: Library, skip: Container[str] = frozenset()) -> None:
        self._library = library
        self._skip = skip
        self.name = ""
        self.since = 0.0
        self.begin()

    def begin(self) -> None:
        """A new cycle."""
        self.denied = 0
        self.passing = 0
        self.left_out = 0
        self.reset_required = ""
        self.unknown = ""

    @property
    def failures(self) -> int:
        """How many calls failed that may succeed another time."""
        return self.left_out + self.passing

    def exists(self, name: str) -> bool:
        """Whether this driver has the function `name`, be it one to leave out."""
        return self._library.function(name) is not None

    def function(self, name: str) -> Function | None:
        """What `make` takes; None where the driver has no such function or it is to be left out."""
        return None if name in self._skip else self._library.function(name)

    def make(self, name: str, function: Function, *arguments: Any, expected: Container[int] = ()) -> int:
        """Calls, and gives NVML's return code. Codes in `expected` are answers too.

        Raises `GpuLost`, and `CallFailed` where the driver itself has gone.
        """
        self.since = time.monotonic()
        self.name = name
        code = function(*arguments)
        self.name = ""
        if code != SUCCESS and code not in expected:
            self.note(name, code)
        return code

    def ask(self, name: str, *arguments: Any, expected: Container[int] = ()) -> int:
        """`make`, by name; NOT_FOUND where there is no such function to call."""
        function = self.function(name)
        return NOT_FOUND if function is None else self.make(name, function, *arguments, expected=expected)

    def note(self, name: str, code: int) -> None:
        """Counts a failure that a call has told, or one of several values of a call."""
        if code in TRANSIENT:
            self.passing += 1
            return
        if code in _UNREMARKABLE:
            return
        if code in FATAL:
            raise CallFailed(name, code)
        if code == GPU_IS_LOST:
            raise GpuLost(name)
        if code in DENIED:
            self.denied += 1
            return
        if code == RESET_REQUIRED:
            self.reset_required = self.reset_required or name
        elif code == UNKNOWN:
            self.unknown = self.unknown or name
        self.left_out += 1
