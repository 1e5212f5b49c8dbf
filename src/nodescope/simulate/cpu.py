"""The CPUs of a simulated machine.

Source: proc_cpuinfo(5); Documentation/ABI/testing/sysfs-devices-system-cpu;
Documentation/admin-guide/cputopology.rst.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.simulate.load import FEMTOSECONDS, Load, count
from nodescope.simulate.part import Row

_REMEMBERED_TIMES: Final = 8
_CORE_THROTTLES_PER_BUSY_DAY: Final = 40
_DAY_SECONDS: Final = 86_400

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
        self.loads = tuple(Load(seed, f"cpu{cpu.number}") for cpu in self.cpus)
        self.busy = lru_cache(_REMEMBERED_TIMES)(self._busy)

    def _busy(self, seconds: float) -> tuple[int, ...]:
        """Busy femtoseconds of each CPU since boot. Several parts ask for the same few times, so they are kept."""
        return tuple(load.integral(seconds) for load in self.loads)

    def busy_total(self, seconds: float) -> int:
        return sum(self.busy(seconds))

    def package_busy(self, package: int, seconds: float) -> list[int]:
        """Of each CPU of a package, in order of their numbers."""
        busy = self.busy(seconds)
        return [busy[cpu.number] for cpu in self.cpus if cpu.package == package]

    def mean_running(self, seconds: float, window_seconds: float) -> float:
        """CPUs that were busy at a time, mean over the last `window_seconds`; none was before boot."""
        busy = self.busy_total(seconds) - self.busy_total(max(0.0, seconds - window_seconds))
        return busy / (window_seconds * FEMTOSECONDS)

    def running(self, seconds: float) -> int:
        """Tasks that run now; the one that asks is one of them."""
        return max(1, round(sum(load.at(seconds) for load in self.loads)))


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
