"""The CPUs of a simulated machine, and what the kernel counts about them.

Source: proc_stat(5), proc_loadavg(5), proc_cpuinfo(5); Documentation/ABI/testing/sysfs-devices-system-cpu;
Documentation/admin-guide/cputopology.rst.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.simulate.load import FEMTOSECONDS, Load
from nodescope.simulate.part import Row

TICKS_PER_SECOND: Final = 100
_MILLION: Final = 10**6
_REMEMBERED_TIMES: Final = 8
_TICK_FEMTOSECONDS: Final = FEMTOSECONDS // TICKS_PER_SECOND

# Where a CPU's time goes, in millionths of its busy (True) or its idle time. The order is /proc/stat's.
_MODES: Final[tuple[tuple[str, bool, int], ...]] = (
    ("user", True, 640_000),
    ("nice", True, 15_000),
    ("system", True, 300_000),
    ("idle", False, 988_000),
    ("iowait", False, 12_000),
    ("irq", True, 5_000),
    ("softirq", True, 40_000),
    ("steal", True, 0),
)
_GUEST_MODES: Final = ("user", "nice")

# Softirqs of each vector for each second that a CPU is busy.
_SOFTIRQS: Final[tuple[tuple[str, int], ...]] = (
    ("HI", 1),
    ("TIMER", 210),
    ("NET_TX", 12),
    ("NET_RX", 640),
    ("BLOCK", 95),
    ("IRQ_POLL", 0),
    ("TASKLET", 7),
    ("SCHED", 390),
    ("HRTIMER", 2),
    ("RCU", 270),
)
_IRQ_LINES: Final = 8
_IRQS_PER_LINE_AND_BUSY_SECOND: Final = 230
_SWITCHES_PER_BUSY_SECOND: Final = 3_900
_FORKS_PER_BUSY_SECOND: Final = 3
_CORE_THROTTLES_PER_BUSY_DAY: Final = 40
_DAY_SECONDS: Final = 86_400
_THREADS: Final = 640
_LOAD_WINDOWS: Final = (("node_load1", 60.0), ("node_load5", 300.0), ("node_load15", 900.0))

_CPUINFO: Final = """\
processor\t: {0.number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480C
stepping\t: 8
microcode\t: 0x2b000603
cpu MHz\t\t: 2000.000
cache size\t: 107520 KB
physical id\t: {0.package}
siblings\t: {siblings}
core id\t\t: {0.core}
cpu cores\t: {cores}
apicid\t\t: {0.number}
initial apicid\t: {0.number}
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 32
wp\t\t: yes
flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sse sse2 ht lm constant_tsc avx avx2 avx512f amx_tile
bugs\t\t: spectre_v1 spectre_v2 spec_store_bypass swapgs
bogomips\t: 4000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 52 bits physical, 57 bits virtual
power management:

"""


class Cpu(NamedTuple):
    """Where a CPU sits. `core` is unique within `package`."""

    number: int
    package: int
    core: int


class Cpus:
    """The CPUs and their loads. Two threads of a core are numbered half of all CPUs apart, as Linux does on x86."""

    def __init__(self, seed: int, packages: int, cores: int, threads: int) -> None:
        self.packages = packages
        self.cores = cores
        self.threads = threads
        self.cpus = tuple(
            Cpu(number, number // cores % packages, number % cores) for number in range(packages * cores * threads)
        )
        self._loads = tuple(Load(seed, f"cpu{cpu.number}") for cpu in self.cpus)
        self.busy = lru_cache(_REMEMBERED_TIMES)(self._busy)

    def _busy(self, seconds: float) -> tuple[int, ...]:
        """Busy femtoseconds of each CPU since boot. Several parts ask for the same few times, so they are kept."""
        return tuple(load.integral(seconds) for load in self._loads)

    def busy_total(self, seconds: float) -> int:
        return sum(self.busy(seconds))

    def mean_running(self, seconds: float, window_seconds: float) -> float:
        """CPUs that were busy at a time, mean over the last `window_seconds`; none was before boot."""
        busy = self.busy_total(seconds) - self.busy_total(max(0.0, seconds - window_seconds))
        return busy / (window_seconds * FEMTOSECONDS)

    def running(self, seconds: float) -> int:
        """Tasks that run now; the one that asks is one of them."""
        return max(1, round(sum(load.at(seconds) for load in self._loads)))


def count(integral: int, per_second: int) -> int:
    """What was counted in `integral` femtoseconds at `per_second`, whole and never less for more time."""
    return integral * per_second // FEMTOSECONDS


class StatPart:
    """/proc/stat and /proc/loadavg."""

    def __init__(self, cpus: Cpus, boot_time_seconds: int) -> None:
        self._cpus = cpus
        self._boot_time_seconds = boot_time_seconds

    def files(self, seconds: float) -> dict[str, bytes]:
        busy = self._cpus.busy(seconds)
        ticks = [self._ticks(seconds, one) for one in busy]
        rows = [("cpu ", [sum(column) for column in zip(*ticks, strict=True)])]
        rows += [(f"cpu{number}", row) for number, row in enumerate(ticks)]
        cpu = "".join(f"{name} {' '.join(map(str, row))} 0 0\n" for name, row in rows)
        return {
            "proc/stat": (cpu + self._totals(seconds, sum(busy))).encode(),
            "proc/loadavg": self._loadavg(seconds, sum(busy)),
        }

    def truths(self, seconds: float) -> Iterable[Row]:
        busy = self._cpus.busy(seconds)
        for cpu, one in enumerate(busy):
            for (mode, *_), ticks in zip(_MODES, self._ticks(seconds, one), strict=True):
                yield "node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}, ticks / TICKS_PER_SECOND
            for mode in _GUEST_MODES:
                yield "node_cpu_guest_seconds_total", {"cpu": str(cpu), "mode": mode}, 0.0
        total = sum(busy)
        yield "node_intr_total", {}, _IRQ_LINES * _irqs_per_line(total)
        yield "node_context_switches_total", {}, count(total, _SWITCHES_PER_BUSY_SECOND)
        yield "node_boot_time_seconds", {}, self._boot_time_seconds
        yield "node_forks_total", {}, _forks(total)
        yield "node_procs_running", {}, self._cpus.running(seconds)
        yield "node_procs_blocked", {}, 0.0
        for metric, window in _LOAD_WINDOWS:
            yield metric, {}, round(self._cpus.mean_running(seconds, window), 2)

    @staticmethod
    def _ticks(seconds: float, busy: int) -> list[int]:
        """Clock ticks of each mode. Each is cut down by itself, so all together miss a few of the time since boot."""
        idle = int(seconds * _MILLION) * (FEMTOSECONDS // _MILLION) - busy
        unit = _TICK_FEMTOSECONDS * _MILLION
        return [(busy if is_busy else idle) * share // unit for _, is_busy, share in _MODES]

    def _totals(self, seconds: float, busy: int) -> str:
        irqs = _irqs_per_line(busy)
        softirqs = [count(busy, rate) for _, rate in _SOFTIRQS]
        return (
            f"intr {_IRQ_LINES * irqs}{f' {irqs}' * _IRQ_LINES}\n"
            f"ctxt {count(busy, _SWITCHES_PER_BUSY_SECOND)}\n"
            f"btime {self._boot_time_seconds}\n"
            f"processes {_forks(busy)}\n"
            f"procs_running {self._cpus.running(seconds)}\n"
            "procs_blocked 0\n"
            f"softirq {sum(softirqs)} {' '.join(map(str, softirqs))}\n"
        )

    def _loadavg(self, seconds: float, busy: int) -> bytes:
        means = " ".join(f"{self._cpus.mean_running(seconds, window):.2f}" for _, window in _LOAD_WINDOWS)
        return f"{means} {self._cpus.running(seconds)}/{_THREADS} {_forks(busy)}\n".encode()


class CpuPart:
    """/proc/cpuinfo and /sys/devices/system/cpu: topology, throttling, which CPUs are online and isolated."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus
        # Both threads of the last core of each package.
        self._isolated = [cpu.number for cpu in cpus.cpus if cpu.core == cpus.cores - 1]
        self._fixed = self._fixed_files()

    def files(self, seconds: float) -> dict[str, bytes]:
        files = dict(self._fixed)
        cores, packages = self._throttles(seconds)
        for number, package, core in self._cpus.cpus:
            folder = f"sys/devices/system/cpu/cpu{number}/thermal_throttle"
            files[f"{folder}/core_throttle_count"] = f"{cores[package, core]}\n".encode()
            files[f"{folder}/package_throttle_count"] = f"{packages[package]}\n".encode()
        return files

    def truths(self, seconds: float) -> Iterable[Row]:
        cores, packages = self._throttles(seconds)
        for (package, core), throttles in cores.items():
            yield "node_cpu_core_throttles_total", {"package": str(package), "core": str(core)}, throttles
        for package, throttles in packages.items():
            yield "node_cpu_package_throttles_total", {"package": str(package)}, throttles
        for number in self._isolated:
            yield "node_cpu_isolated", {"cpu": str(number)}, 1.0
        for cpu in self._cpus.cpus:
            yield "node_cpu_online", {"cpu": str(cpu.number)}, 1.0

    def _throttles(self, seconds: float) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
        """By package and core, and by package."""
        cores: dict[tuple[int, int], int] = {}
        for cpu, busy in zip(self._cpus.cpus, self._cpus.busy(seconds), strict=True):
            if (cpu.package, cpu.core) not in cores:
                throttles = count(busy, _CORE_THROTTLES_PER_BUSY_DAY) // _DAY_SECONDS
                cores[cpu.package, cpu.core] = throttles
        packages = {
            package: sum(throttles for (of, _), throttles in cores.items() if of == package)
            for package in range(self._cpus.packages)
        }
        return cores, packages

    def _fixed_files(self) -> dict[str, bytes]:
        cpus = self._cpus
        everyone = f"0-{len(cpus.cpus) - 1}\n".encode()
        files = {f"sys/devices/system/cpu/{name}": everyone for name in ("online", "possible", "present")}
        files["sys/devices/system/cpu/offline"] = b"\n"
        files["sys/devices/system/cpu/isolated"] = f"{','.join(map(str, self._isolated))}\n".encode()
        files["proc/cpuinfo"] = "".join(
            _CPUINFO.format(cpu, cores=cpus.cores, siblings=cpus.cores * cpus.threads) for cpu in cpus.cpus
        ).encode()
        for number, package, core in cpus.cpus:
            folder = f"sys/devices/system/cpu/cpu{number}"
            siblings = [cpu.number for cpu in cpus.cpus if (cpu.package, cpu.core) == (package, core)]
            files[f"{folder}/online"] = b"1\n"
            files[f"{folder}/topology/physical_package_id"] = f"{package}\n".encode()
            files[f"{folder}/topology/core_id"] = f"{core}\n".encode()
            files[f"{folder}/topology/thread_siblings_list"] = f"{','.join(map(str, siblings))}\n".encode()
        return files


def _irqs_per_line(busy: int) -> int:
    return count(busy, _IRQS_PER_LINE_AND_BUSY_SECOND)


def _forks(busy: int) -> int:
    return count(busy, _FORKS_PER_BUSY_SECOND)
