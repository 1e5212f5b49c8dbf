"""When records of the kernel's log were written."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from nodescope.kernel.kmsg import HELD_UP_S, WAIT_S, KernelLog, KmsgRecord
from tests.kernel.test_kmsg import DEADLINE_S, record, until


def test_what_came_while_nobody_could_read_has_its_own_time(tmp_path: Path) -> None:
    """A record that is read late, for the process was stopped or busy, is as old as the kernel says, but no older than
    the last look."""
    path = tmp_path / "kmsg"
    path.touch()
    held_up = threading.Event()
    times: dict[str, float] = {}

    def take(one: KmsgRecord, written_at: float) -> None:
        times[one.message] = written_at
        if one.message == "first":
            held_up.wait(DEADLINE_S)

    log = KernelLog(str(path), take, "start")
    try:
        assert log.is_settled(DEADLINE_S)
        began = time.time()
        with path.open("a") as file:
            file.write(record(1, "first"))
            file.flush()
            until(lambda: "first" in times)
            written = time.time()
            microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) // 1000
            file.write(f"6,2,{microseconds},-;second\n" + record(3, "third"))
        time.sleep(WAIT_S + 2 * HELD_UP_S)
        held_up.set()
        until(lambda: len(times) == 3)
    finally:
        log.close()
    assert abs(times["second"] - written) < HELD_UP_S
    assert began - WAIT_S - HELD_UP_S < times["third"] < written
