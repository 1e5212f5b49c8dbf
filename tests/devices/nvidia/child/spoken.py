"""A library of Python functions in place of the driver's, for what the fake one cannot say."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

from nodescope.devices.nvidia.child.library import Library


class _Spoken:
    driver: tuple[int, ...] = (570, 86, 15)
    driver_version = library_version = cuda_version = None

    def __init__(self, functions: dict[str, Callable[..., int]]) -> None:
        self._functions = functions

    def function(self, name: str) -> Callable[..., int] | None:
        return self._functions.get(name)


def spoken(**functions: Callable[..., int]) -> Library:
    """A library that has these functions alone. Pointers come as what `ctypes.byref` makes."""
    return cast(Library, _Spoken(functions))


def pointed_at(reference: Any) -> Any:
    """What a reference made by `ctypes.byref` refers to."""
    return reference._obj


def put(reference: Any, value: int) -> None:
    """Writes a number where a reference points to."""
    pointed_at(reference).value = value


def allocate(reference: Any) -> int:
    """As nvmlGpmSampleAlloc: another address each time."""
    allocate.next += 64  # type: ignore[attr-defined]
    target = ctypes.cast(allocate.next, type(pointed_at(reference)))  # type: ignore[attr-defined]
    ctypes.pointer(pointed_at(reference))[0] = target
    return 0


allocate.next = 4096  # type: ignore[attr-defined]
