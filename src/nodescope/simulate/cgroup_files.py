"""What the kernel says of the cgroup of one simulated container, in a hierarchy of version 2.

Source: Documentation/admin-guide/cgroup-v2.rst, Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.load import mix
from nodescope.simulate.part import texts

ROOT: Final = "sys/fs/cgroup"
CONTROLLERS: Final = "cpuset cpu io memory hugetlb pids rdma misc"
GIB: Final = 1 << 30
MIB: Final = 1 << 20
DISK: Final = "259:4"

_USER_PERCENT: Final = 82
_STEP_SECONDS: Final = 10
_BYTES_PER_SECOND: Final = (48 * MIB, 9 * MIB)
"""Read and written, of each second of CPU time."""
_REQUEST_BYTES: Final = 128 * 1024
_STALLED_PERMILLE: Final = {"cpu": 21, "memory": 0, "io": 7}
"""Of its CPU time."""


class Container(NamedTuple):
    """`key`: what its figures are drawn from. `limit_bytes`, `limit_cores`: None without a limit."""

    key: int
    limit_bytes: int | None = None
    limit_cores: int | None = None


def root_files() -> dict[str, bytes]:
    """Of the hierarchy itself."""
    return texts(ROOT, {"cgroup.controllers": CONTROLLERS, "cgroup.subtree_control": CONTROLLERS})


def memory_bytes(container: Container, seconds: float) -> int:
    """What it uses at a time: it moves by a quarter in steps of some seconds."""
    most = _most_bytes(container)
    step = mix(container.key + 1 + int(seconds) // _STEP_SECONDS) % 1000
    return (most - most * step // 4000) // MIB * MIB


def container_files(path: str, container: Container, seconds: float, cpu_microseconds: int) -> dict[str, bytes]:
    """Of a cgroup whose `path` begins with "/", after it has used so much CPU time."""
    used = memory_bytes(container, seconds)
    cached = used // 4
    tasks = 12 + container.key % 60
    user = cpu_microseconds * _USER_PERCENT // 100
    quota = "max" if container.limit_cores is None else str(container.limit_cores * 100_000)
    flat: dict[str, dict[str, int]] = {
        "cpu.stat": {
            "usage_usec": cpu_microseconds,
            "user_usec": user,
            "system_usec": cpu_microseconds - user,
            "nr_periods": 0,
            "nr_throttled": 0,
            "throttled_usec": 0,
        },
        "memory.stat": {
            "anon": used - cached,
            "file": cached,
            "file_mapped": cached // 8,
            "inactive_file": cached // 2,
        },
        "memory.events": dict.fromkeys(("low", "high", "max", "oom", "oom_kill", "oom_group_kill"), 0),
    }
    return texts(
        f"{ROOT}{path}",
        {
            **{name: "\n".join(f"{key} {number}" for key, number in lines.items()) for name, lines in flat.items()},
            **{f"{resource}.pressure": _pressure(resource, cpu_microseconds) for resource in _STALLED_PERMILLE},
            "cpu.max": f"{quota} 100000",
            "io.stat": _io(cpu_microseconds),
            "memory.current": used,
            "memory.peak": _most_bytes(container),
            "memory.swap.current": 0,
            "memory.max": "max" if container.limit_bytes is None else container.limit_bytes,
            "pids.current": tasks,
            "pids.max": 4096,
        },
    )


def _most_bytes(container: Container) -> int:
    return (2 + container.key % 9) * GIB


def _pressure(resource: str, cpu_microseconds: int) -> str:
    total = cpu_microseconds * _STALLED_PERMILLE[resource] // 1000
    means = "avg10=0.00 avg60=0.00 avg300=0.00"
    return f"some {means} total={total}\nfull {means} total={total // 2}"


def _io(cpu_microseconds: int) -> str:
    read, written = (cpu_microseconds * rate // 10**6 // _REQUEST_BYTES for rate in _BYTES_PER_SECOND)
    moved = f"rbytes={read * _REQUEST_BYTES} wbytes={written * _REQUEST_BYTES} rios={read} wios={written}"
    return f"{DISK} {moved} dbytes=0 dios=0"
