"""Whether a process exists, where that can be told. Source: pid_namespaces(7), kill(2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

FIRST_NAMESPACE: Final = "pid:[4026531836]"
"""PROC_PID_INIT_INO: the namespace that the driver's process numbers are of."""


def existence(link: str = "/proc/self/ns/pid") -> Callable[[int], bool]:
    """What tells whether a process exists. In a namespace of its own this process cannot tell: all may exist."""
    try:
        first = os.readlink(link) == FIRST_NAMESPACE
    except OSError:
        first = False
    return exists if first else _perhaps


def exists(pid: int) -> bool:
    """Whether there is a process `pid` in this namespace."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _perhaps(pid: int) -> bool:
    return True
