"""Settings and small tables of a simulated machine's kernel.

Source: Documentation/admin-guide/sysctl/fs.rst and kernel.rst; random(4), cgroups(7), proc_swaps(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.part import NumberFiles, Reading, Row, texts

_MOST_FILES: Final = 2**63 - 1
_OPEN_FILES: Final = 4_096
_OPEN_FILES_OF_TASK: Final = 96
_FILE_STEP: Final = 32
_ENTROPY_BITS: Final = 256
_CONTROLLERS: Final = (
    "cpuset", "cpu", "cpuacct", "blkio", "memory", "devices", "freezer", "net_cls", "perf_event", "net_prio", "hugetlb",
    "pids", "rdma", "misc",
)  # fmt: skip
_CGROUPS: Final = 94
_SWAPS: Final = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
_KSM: Final = {
    "full_scans": 0,
    "general_profit": 0,
    "merge_across_nodes": 1,
    "pages_shared": 0,
    "pages_sharing": 0,
    "pages_to_scan": 100,
    "pages_unshared": 0,
    "pages_volatile": 0,
    "run": 0,
    "sleep_millisecs": 20,
}
_VULNERABILITIES: Final = {
    "gather_data_sampling": "Not affected",
    "itlb_multihit": "Not affected",
    "l1tf": "Not affected",
    "mds": "Not affected",
    "meltdown": "Not affected",
    "mmio_stale_data": "Not affected",
    "reg_file_data_sampling": "Not affected",
    "retbleed": "Not affected",
    "spec_rstack_overflow": "Not affected",
    "spec_store_bypass": "Mitigation: Speculative Store Bypass disabled via prctl",
    "spectre_v1": "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
    "spectre_v2": "Mitigation: Enhanced / Automatic IBRS; IBPB: conditional; RSB filling; BHI: BHI_DIS_S",
    "srbds": "Not affected",
    "tsx_async_abort": "Not affected",
}


class FilesPart:
    """/proc/sys/fs/file-nr: files are open for the tasks that run."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus

    def files(self, seconds: float) -> dict[str, bytes]:
        return {"proc/sys/fs/file-nr": b"%d\t0\t%d\n" % (self._open(seconds), _MOST_FILES)}

    def truths(self, seconds: float) -> Iterator[Row]:
        yield "node_filefd_allocated", {}, float(self._open(seconds))
        yield "node_filefd_maximum", {}, float(_MOST_FILES)

    def _open(self, seconds: float) -> int:
        files = _OPEN_FILES + self._cpus.running(seconds) * _OPEN_FILES_OF_TASK
        return files // _FILE_STEP * _FILE_STEP


def kernel_part() -> NumberFiles:
    """What /proc/sys says of randomness and of hung tasks, and what no collector reads by default."""
    controllers = "".join(f"{name}\t0\t{_CGROUPS}\t1\n" for name in _CONTROLLERS)
    fixed = {
        "proc/cgroups": f"#subsys_name\thierarchy\tnum_cgroups\tenabled\n{controllers}".encode(),
        "proc/swaps": _SWAPS.encode(),
        **texts("sys/kernel/mm/ksm", _KSM),
        **texts("sys/devices/system/cpu/vulnerabilities", _VULNERABILITIES),
    }

    def readings(seconds: float) -> Iterator[Reading]:
        random = "proc/sys/kernel/random"
        bits = float(_ENTROPY_BITS)
        yield Reading(f"{random}/entropy_avail", _ENTROPY_BITS, "node_entropy_available_bits", {}, bits)
        yield Reading(f"{random}/poolsize", _ENTROPY_BITS, "node_entropy_pool_size_bits", {}, bits)
        yield Reading("proc/sys/kernel/hung_task_detect_count", 0, "node_kernel_hung_tasks_total", {}, 0.0)

    # Where SELinux is not there, that is all that is said of it.
    return NumberFiles(fixed, [("node_selinux_enabled", {}, 0.0)], readings)
