"""Cgroups made of files: v2, v1 and hybrid, as the kernel prints them."""

from __future__ import annotations

import os
import shutil
from typing import Final

from tests.collectors.host.machine import Machine

ID: Final = "4f0c1d2e" * 8
OTHER: Final = "a1b2c3d4" * 8
MIB: Final = 1 << 20
PRESSURE: Final = (
    "some avg10=1.50 avg60=0.20 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n"
)

V2: Final = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnice_usec 0\ncore_sched.force_idle_usec 0\n"
    "nr_periods 100\nnr_throttled 7\nthrottled_usec 1250000\nnr_bursts 4\nburst_usec 250000\n",
    "cpu.max": "150000 100000\n",
    "cpu.weight": "100\n",
    "memory.current": f"{96 * MIB}\n",
    "memory.stat": f"anon {40 * MIB}\nfile {50 * MIB}\nkernel 1000\nfile_mapped {3 * MIB}\nshmem 0\n"
    f"file_dirty 8192\nfile_writeback 4096\ninactive_anon 1\nactive_anon 2\ninactive_file {20 * MIB}\n"
    f"active_file {30 * MIB}\nworkingset_refault_anon 5\nworkingset_refault_file 6\npgscan 7\npgsteal 8\n"
    "pgfault 900\npgmajfault 10\n",
    "memory.events": "low 0\nhigh 11\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
    "memory.swap.current": f"{5 * MIB}\n",
    "memory.peak": f"{110 * MIB}\n",
    "memory.max": f"{128 * MIB}\n",
    "memory.swap.max": f"{64 * MIB}\n",
    "memory.low": f"{32 * MIB}\n",
    "pids.current": "17\n",
    "pids.max": "200\n",
    "io.stat": "259:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n"
    "8:16 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
    "cpu.pressure": PRESSURE.format(1_500_000),
    "memory.pressure": PRESSURE.format(250_000),
    "io.pressure": PRESSURE.format(0),
    "cgroup.procs": "4711\n",
}
V1: Final = {
    "cpuacct/cpuacct.usage": "2500000000\n",
    "cpuacct/cpuacct.stat": "user 200\nsystem 50\n",
    "cpu/cpu.stat": "nr_periods 100\nnr_throttled 7\nthrottled_time 1250000000\nnr_bursts 4\nburst_time 250000000\n",
    "cpu/cpu.shares": "2597\n",
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "memory/memory.usage_in_bytes": f"{96 * MIB}\n",
    "memory/memory.stat": "cache 1\nrss 2\npgfault 300\npgmajfault 4\n"
    f"total_cache {50 * MIB}\ntotal_rss {40 * MIB}\ntotal_mapped_file {3 * MIB}\n"
    "total_dirty 8192\ntotal_writeback 4096\ntotal_workingset_refault_anon 5\ntotal_workingset_refault_file 6\n"
    "total_pgfault 900\ntotal_pgmajfault 10\n"
    f"total_swap {5 * MIB}\ntotal_inactive_file {20 * MIB}\ntotal_active_file {30 * MIB}\n",
    "memory/memory.kmem.usage_in_bytes": "1000\n",
    "memory/memory.memsw.limit_in_bytes": f"{64 * MIB}\n",
    "memory/memory.soft_limit_in_bytes": f"{32 * MIB}\n",
    "memory/memory.max_usage_in_bytes": f"{110 * MIB}\n",
    "memory/memory.failcnt": "12\n",
    "memory/memory.limit_in_bytes": f"{128 * MIB}\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "pids/pids.current": "17\n",
    "pids/pids.max": "200\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "259:0 Read 4096\n259:0 Write 8192\n259:0 Sync 0\n"
    "259:0 Async 12288\n259:0 Discard 0\n259:0 Total 12288\nTotal 12288\n",
    "blkio/blkio.throttle.io_serviced": "259:0 Read 1\n259:0 Write 2\n259:0 Total 3\nTotal 3\n",
}
V1_FOLDERS: Final = {"cpu": "cpu,cpuacct", "cpuacct": "cpu,cpuacct"}


def mount_v2(machine: Machine, folder: str = "", controllers: str = "cpuset cpu io memory pids") -> None:
    machine.write(f"sys/fs/cgroup{folder}/cgroup.controllers", f"{controllers}\n")


def mount_v1(machine: Machine) -> None:
    for folder in ("cpu,cpuacct", "memory", "pids", "blkio", "systemd"):
        machine.write(f"sys/fs/cgroup/{folder}/cgroup.procs", "1\n")
    os.symlink("cpu,cpuacct", machine.folder / "sys/fs/cgroup/cpu")


def put_v2(machine: Machine, cgroup: str, changed: dict[str, str] | None = None, folder: str = "") -> None:
    for name, content in {**V2, **(changed or {})}.items():
        machine.write(f"sys/fs/cgroup{folder}{cgroup}/{name}", content)


def put_v1(machine: Machine, cgroup: str, changed: dict[str, str] | None = None) -> None:
    for name, content in {**V1, **(changed or {})}.items():
        controller, _, file = name.partition("/")
        machine.write(f"sys/fs/cgroup/{V1_FOLDERS.get(controller, controller)}{cgroup}/{file}", content)


def restart_v2(machine: Machine, cgroup: str, changed: dict[str, str]) -> None:
    """The cgroup made anew under its name: another folder, not the old one's inode again."""
    folder = machine.folder / f"sys/fs/cgroup{cgroup}"
    old = folder.with_name(f"{folder.name}.old")
    folder.rename(old)
    put_v2(machine, cgroup, changed)
    shutil.rmtree(old)


class Clock:
    """Time that passes only when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
