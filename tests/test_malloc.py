"""What the C library is told about memory."""

from __future__ import annotations

import platform
import subprocess
import sys

from tools.serving import own_environment

PROGRAM = """
from nodescope.malloc import give_back_large_buffers

def resident_kib():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

print(give_back_large_buffers())
for _ in range(20):
    buffers = [bytes([1]) * 200_000 for _ in range(20)]
    before = resident_kib()
    del buffers
    print(before - resident_kib() > 3000)
"""


def test_large_buffers_go_back_to_the_kernel() -> None:
    """In a process that was told so, 4 MB of large blocks are gone from memory as soon as they are free, each time."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=own_environment(),
    )
    expected = ["True"] * 21 if platform.libc_ver()[0] == "glibc" else ["False"]
    assert done.stdout.split()[: len(expected)] == expected
