"""What the kernel says of one simulated process.

Source: proc_pid_stat(5), proc_pid_status(5), proc_pid_comm(5), cgroups(7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

USER_HZ: Final = 100
_BEFORE_START: Final = "0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0"
"""Fields 7 to 21 of /proc/PID/stat: no terminal, one thread, everything else nothing."""
_BEHIND_START: Final = "0 " * 29 + "0"


class Process(NamedTuple):
    """`cgroup`: its path, in the one hierarchy there is. `started_seconds`: after boot."""

    pid: int
    command: str
    user_id: int
    cgroup: str
    started_seconds: float = 0.0


def process_files(process: Process) -> dict[str, bytes]:
    """/proc/PID."""
    pid, command = process.pid, process.command
    ids = "\t".join([str(process.user_id)] * 4)
    status: Mapping[str, object] = {
        "Name": command,
        "State": "S (sleeping)",
        "Tgid": pid,
        "Pid": pid,
        "PPid": 1,
        "Uid": ids,
        "Gid": ids,
        "Threads": 1,
    }
    ticks = int(process.started_seconds * USER_HZ)
    return {
        f"proc/{pid}/comm": f"{command}\n".encode(),
        f"proc/{pid}/status": "".join(f"{name}:\t{said}\n" for name, said in status.items()).encode(),
        f"proc/{pid}/stat": f"{pid} ({command}) S 1 {pid} {pid} {_BEFORE_START} {ticks} {_BEHIND_START}\n".encode(),
        f"proc/{pid}/cgroup": f"0::{process.cgroup}\n".encode(),
    }
