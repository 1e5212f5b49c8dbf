"""tools.process_cost: its parsers, and this very process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tools.process_cost import CLOCK_TICKS, MemoryGroup, cpu, memory, parse_kib, parse_stat


def test_stat_of_a_process_with_a_nasty_name() -> None:
    """utime and stime are found behind a name with spaces and brackets."""
    numbers = " ".join(str(number) for number in range(1, 50))
    assert parse_stat(f"7 (a) b (c) S {numbers}".encode()) == (11 + 12) / CLOCK_TICKS


def test_kib_line() -> None:
    """A line in kB becomes bytes; a missing one is an error that names it."""
    assert parse_kib("Name:\tx\nVmRSS:\t   12 kB\nPss: 3 kB\n", "VmRSS") == 12 * 1024
    with pytest.raises(ValueError, match="VmHWM"):
        parse_kib("VmRSS:\t 12 kB\n", "VmHWM")


def test_own_process() -> None:
    """This process has used CPU and memory, and has a thread and descriptors."""
    used, before = memory(os.getpid()), cpu(os.getpid())
    assert used.rss > 0
    assert used.threads >= 1
    assert used.descriptors >= 3
    after = cpu(os.getpid()).since(before)
    assert after.ticks >= 0
    assert before.ticks > 0


def test_group_charges_what_runs_in_it() -> None:
    """A process started in the group is charged there; where no group can be made, the reason is said."""
    group = MemoryGroup("test")
    command = group.enter([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        usage = group.usage()
        process.kill()
        process.wait(10)
    folder = group.folder
    group.close()
    if usage is None:
        assert group.why_not
    else:
        assert usage[0] > 0
        assert folder is not None
        assert not folder.exists()
