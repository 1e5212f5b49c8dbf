"""Small trees of a kernel's files with AMD GPUs that a whole simulated node does not have."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from nodescope.devices.amd.sysfs_source import SysfsLimits, SysfsSource
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Host
from nodescope.records.gpu import GpuReport

WAIT_S = 20.0
CALM = SysfsLimits(patience_s=WAIT_S, hung_s=WAIT_S, inventory_s=0.0)
"""Everything is looked at anew each time, however long that takes."""

QUICK = CALM._replace(patience_s=0.1, hung_s=0.2)
"""What hangs is soon told of."""

BUSES = "sys/bus/pci"
KFD = "sys/class/kfd/kfd"
BROKEN = "/proc/self/mem"
"""Reading its first byte fails with EIO."""


Content = str | bytes | int
"""Of a file."""


EVERY_GPU: dict[str, Content] = {
    "vendor": "0x1002",
    "device": "0x744c",
    "class": "0x030000",
    "revision": "0xc8",
    "numa_node": -1,
}


class AmdNode:
    """Files below `root`. Folders are real where the kernel has links: nothing of ours looks at that."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("proc", f"{BUSES}/devices", f"{BUSES}/drivers/amdgpu", "sys/module/amdgpu"):
            (root / folder).mkdir(parents=True)
        self.host = Host(str(root / "proc"), str(root / "sys"), str(root), str(root / "run/udev/data"))
        self.write("proc/sys/kernel/osrelease", "6.8.0-47-generic")

    def write(self, path: str, content: Content) -> None:
        """A file of the kernel's, with a line feed behind what is no bytes."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())

    def gpu(self, address: str, files: Mapping[str, Content], driver: str = "amdgpu") -> str:
        """A device with these files beside those that every one has; its folder below the root."""
        folder = f"{BUSES}/devices/{address}"
        for name, content in {**EVERY_GPU, **files}.items():
            self.write(f"{folder}/{name}", content)
        if driver:
            drivers = self.root / BUSES / "drivers" / driver
            drivers.mkdir(exist_ok=True)
            (self.root / folder / "driver").symlink_to(f"../../drivers/{driver}")
            (drivers / address).symlink_to(f"../../devices/{address}")
        return folder

    def remove(self, address: str) -> None:
        """As when a GPU falls off its bus."""
        for path in sorted((self.root / BUSES / "devices" / address).rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (self.root / BUSES / "devices" / address).rmdir()
        (self.root / BUSES / "drivers/amdgpu" / address).unlink()

    def kfd(self, node: int, gpu_id: int, properties: Mapping[str, int]) -> None:
        """A node of the topology."""
        folder = f"{KFD}/topology/nodes/{node}"
        self.write(f"{folder}/gpu_id", gpu_id)
        self.write(f"{folder}/properties", "\n".join(f"{name} {value}" for name, value in properties.items()))

    def process(self, pid: int, fds: Mapping[int, tuple[str, str]]) -> None:
        """A process with these descriptors: what each leads to, and its fdinfo."""
        (self.root / f"proc/{pid}/fd").mkdir(parents=True)
        for fd, (target, said) in fds.items():
            (self.root / f"proc/{pid}/fd/{fd}").symlink_to(target)
            self.write(f"proc/{pid}/fdinfo/{fd}", said)

    def source(self, limits: SysfsLimits = CALM) -> SysfsSource:
        return SysfsSource(self.host, 0.0, limits)

    def observed(self) -> Observed:
        """What a new source sees."""
        return self.source().observe(WAIT_S)


def hwmon(sensors: Mapping[str, Content], number: int = 4) -> dict[str, Content]:
    """Files of a GPU's chip."""
    return {f"hwmon/hwmon{number}/{name}": value for name, value in {"name": "amdgpu", **sensors}.items()}


def by_uuid(observed: Observed) -> dict[str, GpuReport]:
    return {report.uuid: report for report in observed.reports}


def states(observed: Observed) -> dict[str, str]:
    return {report.uuid: report.state for report in observed.reports}


def observed_when(source: SysfsSource, wanted: Mapping[str, str]) -> Observed:
    """What is observed once the GPUs are in these states."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with suppress(SourceFailed):
            observed = source.observe(WAIT_S)
            if states(observed) == wanted:
                return observed
        time.sleep(0.01)
    raise AssertionError(f"not {wanted}: {source.status()}")


def until_sampled(source: SysfsSource, uuids: Iterable[str], after: float) -> None:
    """Observes until these GPUs were sampled later than `after`."""
    deadline, left = time.monotonic() + WAIT_S, set(uuids)
    while left:
        assert time.monotonic() < deadline
        left -= {one.uuid for one in source.observe(WAIT_S).reports if one.sampled_monotonic_seconds > after}


def hang(path: Path) -> bytes:
    """Puts a FIFO that never answers in place of a file, and gives what the file held."""
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    return content


def heal(path: Path, content: bytes) -> None:
    """Puts the file back and lets those go that wait for the FIFO."""
    fifo = path.with_name(f"{path.name}.fifo")
    path.rename(fifo)
    path.write_bytes(content)
    release([fifo])
    fifo.unlink()


def release(fifos: Iterable[Path]) -> None:
    """Lets the readers of FIFOs go."""
    for fifo in fifos:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            # ENXIO: nobody has it open.
            continue
