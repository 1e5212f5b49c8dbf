"""A simulated machine: parts that together are its files and what is true of it, and the tables that describe them.

A further simulation is the same machine with more parts: GPUs, links, containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Protocol

from nodescope.simulate.amd_machine import Mi300xPart
from nodescope.simulate.cpu import CpuPart, Cpus
from nodescope.simulate.cpufreq import cpufreq_part
from nodescope.simulate.disk import Disk, DiskPart, Disks, Filesystem, Partition
from nodescope.simulate.edac import edac_part
from nodescope.simulate.filesystem import FilesystemPart, Mount
from nodescope.simulate.firmware import firmware_part
from nodescope.simulate.gpu_host import GpuHostPart
from nodescope.simulate.gpu_machine import Gpus, gpus_of
from nodescope.simulate.gpu_tenants import h200_tenants
from nodescope.simulate.hwmon import hwmon_part
from nodescope.simulate.interrupts import Interrupts, InterruptsPart
from nodescope.simulate.kernel import FilesPart, kernel_part
from nodescope.simulate.memory import MemoryPart
from nodescope.simulate.network import Interface, Links, NetworkPart
from nodescope.simulate.numa import NumaPart
from nodescope.simulate.nvme import nvme_part
from nodescope.simulate.part import Part, Row
from nodescope.simulate.power import Power, rapl_part
from nodescope.simulate.pressure import PressurePart
from nodescope.simulate.protocols import ProtocolsPart
from nodescope.simulate.sockets import Connections, PacketsPart, SocketsPart
from nodescope.simulate.stat import SchedstatPart, StatPart
from nodescope.simulate.system import SystemPart
from nodescope.simulate.thermal import Temperatures, thermal_part
from nodescope.simulate.xfs import XfsPart

BOOT_TIME_SECONDS: Final = 1_735_689_600
"""When every simulated machine was booted, Unix time (2025-01-01); fixed, for the same seed gives the same bytes."""

START_SECONDS: Final = 86_400.0
"""Virtual seconds since boot when a simulation starts: a day, so that counters and means have a past."""

PACKAGES: Final = 2
CORES_PER_PACKAGE: Final = 4
THREADS_PER_CORE: Final = 2
MEMORY_KIBIBYTES: Final = 512 * 1024 * 1024

_MODEL: Final = "SAMSUNG_MZQL23T8HCLS-00A07"
_SIZE_BYTES: Final = 3_840_755_982_336
_RW: Final = "rw,relatime"

DISKS: Final = (
    Disk(
        "nvme0n1",
        0,
        _SIZE_BYTES,
        _MODEL,
        "S64HNE0T100001",
        "GDC5602Q",
        "eui.36344830541000010025384500000001",
        "pci-0000:01:00.0-nvme-1",
        partitions=(
            Partition(1_000, Filesystem("vfat", "5A3C-19E2", "FAT32", "/boot/efi", _RW)),
            Partition(960_000, Filesystem("ext4", "7c0f6d5e-3b1a-4f57-9a52-0d6f1b8c2e11", "1.0", "/", _RW)),
            Partition(
                39_000, Filesystem("ext4", "c2d8e7a4-58b6-4c0b-8f1d-6a9e3f4b7d20", "1.0", "/opt/images", "ro,relatime")
            ),
        ),
    ),
    Disk(
        "nvme1n1",
        4,
        _SIZE_BYTES,
        _MODEL,
        "S64HNE0T100002",
        "GDC5602Q",
        "eui.36344830541000020025384500000001",
        "pci-0000:02:00.0-nvme-1",
        filesystem=Filesystem("xfs", "e1a94b6f-0c37-4d82-b5e8-92f7d3c6a148", "", "/data", _RW),
    ),
)
OTHER_MOUNTS: Final = (
    Mount("0:21", "/proc", "proc", "proc", "rw,nosuid,nodev,noexec,relatime"),
    Mount("0:22", "/sys", "sysfs", "sysfs", "rw,nosuid,nodev,noexec,relatime"),
    Mount("0:25", "/run", "tmpfs", "tmpfs", "rw,nosuid,nodev"),
    Mount("0:28", "/sys/fs/cgroup", "cgroup2", "cgroup2", "rw,nosuid,nodev,noexec,relatime"),
)
INTERFACES: Final = (
    Interface("lo", "00:00:00:00:00:00", 65_536, 4_000, loopback=True),
    Interface("eth0", "02:00:5e:10:00:01", 1_500, 25_000),
    Interface("eth1", "02:00:5e:10:00:02", 9_000, 100_000),
)


class GpuPart(Part, Protocol):
    """A part with GPUs. `gpu_truths`: what is true of them and of who uses them, under names of their own."""

    def gpu_truths(self, seconds: float) -> Iterable[Row]: ...


class Machine:
    """All parts as one. No two of them have a file in common. `gpus`: those whose readings are in no file.

    `gpu_part`: that of the GPUs, where there are some.
    """

    def __init__(self, parts: tuple[Part, ...], gpu_part: GpuPart | None = None, gpus: Gpus | None = None) -> None:
        self.parts = parts if gpu_part is None else (*parts, gpu_part)
        self.gpus = gpus
        self._gpu_part = gpu_part

    def files(self, seconds: float) -> dict[str, bytes]:
        """Content of every file, by path below the machine's root, `seconds` after boot."""
        files: dict[str, bytes] = {}
        for part in self.parts:
            files |= part.files(seconds)
        return files

    def truths(self, seconds: float) -> Iterator[Row]:
        """What the files mean."""
        return chain.from_iterable(part.truths(seconds) for part in self.parts)

    def gpu_truths(self, seconds: float) -> Iterable[Row]:
        """What is true of the GPUs, in their driver's units, and of who uses them, under names of their own."""
        return () if self._gpu_part is None else self._gpu_part.gpu_truths(seconds)


def cpu_machine(seed: int, faults: str = "") -> Machine:
    """A server without accelerators: two packages of eight threads, 512 GiB, two disks, two Ethernet devices.

    Raises `ValueError` where there are faults: they befall GPUs.
    """
    if faults.strip():
        raise ValueError("simulate.faults: expected nothing, for the machine cpu has no GPU; h200x8 has eight")
    return Machine(_host_parts(seed, cpus_of(seed)))


def h200_machine(seed: int, faults: str = "", partitioned: bool = False) -> Machine:
    """The same server with eight H200. `partitioned`: each has seven MIG instances, and eight processes in them.

    Raises `ValueError` where `faults` are not as `parse_faults` wants them.
    """
    gpus = gpus_of(seed, faults, START_SECONDS, partitioned)
    cpus = cpus_of(seed)
    return Machine(_host_parts(seed, cpus), GpuHostPart(gpus, h200_tenants(seed, gpus, cpus)), gpus)


def h200_mig_machine(seed: int, faults: str = "") -> Machine:
    return h200_machine(seed, faults, partitioned=True)


def mi300x_machine(seed: int, faults: str = "", compute_partition: str = "SPX") -> Machine:
    """The same server with eight MI300X and eight InfiniBand adapters. Raises `ValueError` where there are faults."""
    if faults.strip():
        raise ValueError("simulate.faults: expected nothing, for only the machines with H200 have faults")
    cpus = cpus_of(seed)
    return Machine(_host_parts(seed, cpus), Mi300xPart(seed, cpus, compute_partition))


def mi300x_cpx_machine(seed: int, faults: str = "") -> Machine:
    return mi300x_machine(seed, faults, "CPX")


def cpus_of(seed: int) -> Cpus:
    """Those of every machine."""
    return Cpus(seed, PACKAGES, CORES_PER_PACKAGE, THREADS_PER_CORE)


def _host_parts(seed: int, cpus: Cpus) -> tuple[Part, ...]:
    disks = Disks(seed, DISKS)
    memory = MemoryPart(seed, MEMORY_KIBIBYTES, cpus, disks)
    return (
        *_cpu_parts(cpus),
        memory,
        NumaPart(cpus, memory),
        edac_part(cpus, MEMORY_KIBIBYTES),
        DiskPart(disks),
        FilesystemPart(disks, OTHER_MOUNTS),
        XfsPart(disks),
        nvme_part(disks),
        *_network_parts(Links(seed, INTERFACES), len(cpus.cpus)),
        PressurePart(cpus, disks),
        *_sensor_parts(cpus, disks),
        SystemPart(),
        FilesPart(cpus),
        kernel_part(),
        firmware_part(),
    )


def _cpu_parts(cpus: Cpus) -> tuple[Part, ...]:
    interrupts = Interrupts(cpus)
    return (
        StatPart(cpus, interrupts, BOOT_TIME_SECONDS),
        CpuPart(cpus),
        SchedstatPart(cpus),
        InterruptsPart(interrupts),
        cpufreq_part(cpus),
    )


def _network_parts(links: Links, cpus: int) -> tuple[Part, ...]:
    connections = Connections(links)
    return (
        NetworkPart(links),
        ProtocolsPart(links, connections),
        SocketsPart(links, connections),
        PacketsPart(links, connections, cpus),
    )


def _sensor_parts(cpus: Cpus, disks: Disks) -> tuple[Part, ...]:
    power, temperatures = Power(cpus), Temperatures(cpus)
    return (
        rapl_part(power),
        thermal_part(temperatures, len(cpus.cpus)),
        hwmon_part(temperatures, disks, power),
    )
