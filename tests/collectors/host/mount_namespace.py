"""A mount namespace for a test alone, so that what it mounts is nowhere else."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2
DEADLINE_S = 30.0

libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """This process may not mount."""


def call(function: str, *arguments: object) -> None:
    if getattr(libc, function)(*arguments) != 0:
        raise NotAllowed(f"{function}: {os.strerror(ctypes.get_errno())}")


def mount(device: str, folder: os.PathLike[str], fstype: str, options: str = "") -> None:
    call("mount", device.encode(), os.fsencode(folder), fstype.encode(), 0, options.encode())


def unmount(folder: os.PathLike[str]) -> None:
    libc.umount2(os.fsencode(folder), MNT_DETACH)


def in_a_namespace(function: Callable[[], None]) -> None:
    """Runs `function` in a thread with mounts of its own, which those it starts share; all end with them."""

    def run() -> None:
        call("unshare", CLONE_NEWNS)
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
        function()

    with ThreadPoolExecutor(1) as threads:
        try:
            threads.submit(run).result(2 * DEADLINE_S)
        except NotAllowed as reason:
            pytest.skip(f"this process may not mount: {reason}")
