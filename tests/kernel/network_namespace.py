"""A network namespace for a test alone, with devices of its own; all end with it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

CLONE_NEWNET = 0x40000000
DEADLINE_S = 30.0

Result = TypeVar("Result")

libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """This process may not make network namespaces, or the kernel lacks a kind of device."""


def ip(*commands: str) -> None:
    """Runs `ip COMMAND` for each, in the network namespace of this thread."""
    for command in commands:
        done = subprocess.run(["ip", *command.split()], capture_output=True, timeout=DEADLINE_S, check=False)
        if done.returncode != 0:
            raise NotAllowed(f"ip {command}: {done.stderr.decode().strip()}")


def in_a_network_namespace(function: Callable[[], Result]) -> Result:
    """What `function` gives in a thread with network devices of its own; the test is skipped where that cannot be."""
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed (Debian package iproute2)")

    def run() -> Result:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise NotAllowed(f"unshare: {os.strerror(ctypes.get_errno())}")
        return function()

    with ThreadPoolExecutor(1) as threads:
        try:
            return threads.submit(run).result(2 * DEADLINE_S)
        except NotAllowed as reason:
            pytest.skip(f"no network namespace here: {reason}")
