"""The supervisor over the real child, with a driver's library that does what a script says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope import command
from nodescope.devices.nvidia.frame import Options, Xid
from nodescope.devices.nvidia.holders import CHILD_MODULE
from nodescope.devices.nvidia.limits import Limits
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.nvidia.supervisor import Supervisor
from nodescope.devices.source import LibraryMissing, Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReport
from tests.devices.nvidia.supervised import processes_of_ours, until
from tests.fake_nvml import Script, build, environment

LIMITS: Final = Limits(
    start_s=10.0,
    least_silence_s=2.0,
    call_s=0.6,
    back_off_s=0.2,
    longest_back_off_s=1.0,
    quarantine_s=2.0,
    longest_quarantine_s=60.0,
    identity_kept_s=2.0,
    look_s=0.05,
)
INTERVAL_S: Final = 0.1


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("fake_nvml"))


class Node:
    """A machine with the fake library and a supervisor over the real child."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self.script = Script(folder / "script", count=3)
        self.script.write()
        self.xids: list[Xid] = []
        self.changes: list[tuple[Any, ...]] = []
        self.pause_file = PauseFile(str(folder / "run/gpu.paused"))
        (folder / "sys").mkdir()
        self._library = library

    def start(self, limits: Limits = LIMITS, path: str | None = None) -> None:
        self.source = Supervisor(
            (sys.executable, "-m", CHILD_MODULE),
            Options(interval_seconds=INTERVAL_S, library=path or str(self._library)),
            Host(sysfs=str(self.folder / "sys")),
            self.xids.append,
            lambda *what: self.changes.append(what),
            pause_file=PauseFile(self.pause_file.path),
            env={**command.environment(), **environment(self._library, self.script.path, self.folder / "calls")},
            limits=limits,
        )

    def observe(self) -> Observed | Exception:
        try:
            return self.source.observe(0.3)
        except (SourceFailed, Absent) as error:
            return error

    def reports(self) -> dict[int | None, GpuReport]:
        """By index."""
        observed = self.observe()
        if not isinstance(observed, Observed):
            return {}
        indices = {gpu.uuid: gpu.index for gpu in observed.gpus}
        return {indices[report.uuid]: report for report in observed.reports}

    def states(self) -> list[str]:
        return [report.state for _, report in sorted(self.reports().items(), key=lambda pair: pair[0] or 0)]

    def until_well(self, count: int = 3) -> None:
        """Waits until so many GPUs are read, and all of them freshly."""

        def well() -> bool:
            reports = self.reports()
            fresh = all(time.monotonic() - one.sampled_monotonic_seconds < 1 for one in reports.values())
            return fresh and [one.state for one in reports.values()] == ["ok"] * count

        until(well)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.changes]


@pytest.fixture
def node(tmp_path: Path, library: Path) -> Iterator[Node]:
    descriptors, processes = len(os.listdir("/proc/self/fd")), processes_of_ours()
    node = Node(tmp_path, library)
    yield node
    node.source.close()
    assert processes_of_ours() == processes
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_healthy_machine(node: Node) -> None:
    """Every GPU has an identity and a reading, and nothing is left out."""
    node.start()
    node.until_well()
    observed = node.observe()
    assert isinstance(observed, Observed)
    assert len({gpu.uuid for gpu in observed.gpus}) == 3
    assert all(gpu.pci_address and gpu.model for gpu in observed.gpus)
    assert all(report.reading.power_milliwatts for report in observed.reports)
    status = node.source.status()
    assert (status.state, status.driver_version, status.starts) == ("ok", "570.86.10", 1)
    assert node.changes == []


@pytest.mark.parametrize(
    "call",
    [
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetTemperatureV",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetNvLinkState",
    ],
)
def test_a_call_that_hangs(node: Node, call: str) -> None:
    """A call that hangs in one GPU costs that GPU one value and the others nothing; it heals by itself."""
    node.start()
    node.until_well()
    node.script.hang(call, gpu=1)
    node.script.write()
    deadline = time.monotonic() + 20
    while not (reports := node.reports()) or "left out" not in reports[1].reason or reports[1].state != "ok":
        assert [reports[n].state for n in (0, 2) if reports] in ([], ["ok", "ok"])
        assert time.monotonic() < deadline, reports[1]
    assert call in reports[1].reason
    assert reports[1].sampled_monotonic_seconds > 0
    node.script.no_hang(call, gpu=1)
    node.script.write()
    until(lambda: {report.reason for report in node.reports().values()} == {""})
    node.until_well()
    assert set(node.kinds()) == {"gpu.call_hung"}
    assert node.source.status().state == "ok"
    until(lambda: len(processes_of_ours()) == 1)


def test_a_gpu_in_which_everything_hangs(node: Node) -> None:
    """A GPU whose every call hangs is unresponsive and keeps its identity; the others go on."""
    node.start()
    node.until_well()
    before = node.observe()
    assert isinstance(before, Observed)
    node.script.hang("*", gpu=1)
    node.script.write()
    until(lambda: node.states() == ["ok", "unresponsive", "ok"])
    time.sleep(4.0)
    assert node.states()[::2] == ["ok", "ok"]
    observed = node.observe()
    assert isinstance(observed, Observed)
    assert [(gpu.uuid, gpu.model) for gpu in observed.gpus] == [(gpu.uuid, gpu.model) for gpu in before.gpus]
    node.script.no_hang("*", gpu=1)
    node.script.write()
    node.until_well()


@pytest.mark.parametrize(
    "call",
    [
        "nvmlInit_v2",
        "nvmlDeviceGetCount_v2",
        "nvmlSystemGetDriverVersion",
        "nvmlSystemGetNVMLVersion",
        "nvmlSystemGetCudaDriverVersion_v2",
    ],
)
def test_a_hang_that_concerns_all(node: Node, call: str) -> None:
    """Where the library does not come up the source says what it waits for, and goes on once it does."""
    node.script.hang(call)
    node.script.write()
    node.start(LIMITS._replace(start_s=1.5))
    assert "waits for" in str(node.observe())
    until(lambda: node.source.status().hung_calls >= 1)
    assert "in vain" in str(node.observe())
    node.script.no_hang(call)
    node.script.write()
    node.until_well()
    assert node.kinds()[-1] == "gpu.source_back"


def test_a_lost_gpu(node: Node) -> None:
    """A GPU that has fallen off the bus says so and keeps its identity; the others go on."""
    node.start()
    node.until_well()
    node.script.error("*", 15, gpu=1)
    node.script.write()
    until(lambda: node.states() == ["ok", "lost", "ok"])
    assert node.reports()[1].reason
    assert node.source.status().gpus == 3


def test_the_driver_goes_and_comes(node: Node) -> None:
    """While the driver is unloaded its GPUs are told for a while, then the source fails; then it is back."""
    node.start()
    node.until_well()
    for call in ("*", "nvmlInit_v2"):
        node.script.error(call, 9)
    node.script.write()
    until(lambda: node.states() == ["failed"] * 3)
    until(lambda: isinstance(node.observe(), SourceFailed))
    assert "NVML error 9): load the driver (modprobe nvidia)" in str(node.observe())
    for call in ("*", "nvmlInit_v2"):
        node.script.no_error(call)
    node.script.write()
    node.until_well()
    assert node.kinds() == ["gpu.source_failed", "gpu.source_back"]


def test_versions_that_do_not_match(node: Node) -> None:
    """After an update of the driver whose module is not loaded the reason says what to do."""
    node.script.error("nvmlInit_v2", 18)
    node.script.write()
    node.start()
    until(lambda: "load the new module, or restart the machine" in str(node.observe()))


def test_no_library(node: Node) -> None:
    """A library that is not there is told apart from one that fails."""
    node.start(path="libnvidia-ml-of-nobody.so.1")
    until(lambda: isinstance(node.observe(), LibraryMissing))
    assert node.changes == []


def test_gpus_come_and_go(node: Node) -> None:
    """A GPU that is taken out vanishes, one that is put in appears, each in a generation of its own."""
    node.start()
    node.until_well()
    generation = node.source.status().generation
    node.script.set("absent", 1, gpu=1)
    node.script.write()
    node.until_well(2)
    assert node.source.status().generation > generation
    generation = node.source.status().generation
    node.script.unset("absent", gpu=1)
    node.script.set("count", 4)
    node.script.write()
    node.until_well(4)
    assert node.source.status().generation > generation


def test_partitions_come_and_go(node: Node) -> None:
    """Dividing a GPU and undoing it changes the inventory's partitions and nothing else."""
    node.start()
    node.until_well()
    node.script.mig(1, {0: (1, 0, "3g.71gb"), 2: (2, 0, "1g.18gb")})
    node.script.event(0x100, 0, gpu=1)
    node.script.write()

    def instances() -> int:
        observed = node.observe()
        return len(observed.instances) if isinstance(observed, Observed) else -1

    until(lambda: instances() == 2)
    node.until_well()
    node.script.no_mig(1)
    node.script.write()
    until(lambda: instances() == 0)
    node.until_well()
    assert node.source.status().starts == 1


def test_a_storm_of_xids(node: Node) -> None:
    """Of ten thousand XIDs in a moment each is passed on, once."""
    node.start()
    node.until_well()
    node.script.event(8, 31, gpu=0, count=10_000)
    node.script.event(8, 79, gpu=2)
    node.script.write()
    until(lambda: bool(node.observe()) and len(node.xids) >= 10_001)
    time.sleep(0.5)
    assert [xid.xid for xid in node.xids].count(31) == 10_000
    assert [xid.xid for xid in node.xids].count(79) == 1
    node.until_well()


def test_a_pause_releases_the_driver(node: Node) -> None:
    """Within two seconds of a pause nothing has the driver open, though a call of it hangs."""
    hold = node.folder / "nvidia0"
    hold.write_text("")
    node.script.set("hold", str(hold))
    node.script.hang("nvmlDeviceGetPowerUsage", gpu=1)
    node.script.write()
    node.start()
    until(lambda: bool(node.observe()) and node.source.status().state == "ok")
    assert held(hold)
    node.pause_file.pause()
    until(lambda: not held(hold), 2.0)
    until(lambda: bool(node.observe()) and node.source.status().state == "paused")
    assert not processes_of_ours()
    node.pause_file.resume()
    until(lambda: bool(node.observe()) and node.source.status().state == "ok")


def held(path: Path) -> bool:
    """Whether any of our processes has a file open."""
    return any(
        os.readlink(link) == str(path)
        for pid in processes_of_ours()
        for link in _links(Path(f"/proc/{pid}/fd"))
        if os.path.lexists(link)
    )


def _links(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
