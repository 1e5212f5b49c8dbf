"""What `nodescope check` sees, and when it ends."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nodescope import configuration
from nodescope.cli.check import awaited, awaited_links, look, main
from nodescope.cli.check_text import EXIT_UNKNOWN, part_of_gpus, part_of_links, summary
from nodescope.collectors.gpu.gpu import GpuCollector
from nodescope.collectors.joined import Joined
from nodescope.collectors.parts import Surroundings, unheard
from nodescope.host import Absent
from nodescope.measurement import Measurement
from nodescope.metric import Metric
from nodescope.profiles import View
from nodescope.records.gpu_snapshot import Gpu
from nodescope.runner import Runner
from nodescope.sampling import SamplerLoop, SnapshotCollector
from nodescope.simulate.rdma_tree import write_rdma
from tests.cli.check_verdicts import link, source, verdict
from tools.serving import own_environment


class Sampled:
    """A sampler that gives one answer after the other, the last again and again."""

    name: ClassVar[str] = "gpu"
    interval_s = 0.05
    rest_s = 0.05
    demand_wait_s = 0.0

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def sample(self) -> tuple[Any, ...]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return tuple(answer)


class Collected(SnapshotCollector):
    """The collector of its snapshot."""

    name: ClassVar[str] = "gpu"
    metrics: ClassVar[tuple[Metric, ...]] = ()


@pytest.fixture
def wait() -> Iterator[Callable[..., Any]]:
    """wait(answer, ..., timeout_s=10): what is seen of a sampler with these answers."""
    loops: list[SamplerLoop] = []

    def run(*answers: Any, timeout_s: float = 10.0) -> Any:
        loop = SamplerLoop(Sampled(*answers))
        loops.append(loop)
        runner = Runner({"gpu": Collected(loop, View(()))}, 5.0)
        return awaited(loop, runner, time.monotonic() + timeout_s)

    yield run
    for loop in loops:
        loop.stop()


def starting(state: str) -> Gpu:
    return Gpu(identity=verdict(0, "all").identity, state=state, reason="", up=0)


def test_it_waits_until_every_gpu_was_read(wait: Callable[..., Any]) -> None:
    """While the driver or a GPU is starting it waits, and then gives verdicts and sources."""
    well = [starting("ok"), verdict(0, "all"), source("ok")]
    early = [starting("starting"), verdict(0, "all", "unknown"), source("ok")]
    seen = wait([source("starting")], early, early, well)
    assert seen.verdicts == (verdict(0, "all"),)
    assert seen.sources == (source("ok"),)


def test_it_does_not_wait_for_ever(wait: Callable[..., Any]) -> None:
    """At its deadline it gives what there is, or why there is nothing."""
    begun = [starting("starting"), verdict(0, "all", "unknown"), source("ok")]
    assert wait(begun, timeout_s=0.3).verdicts == (verdict(0, "all", "unknown"),)
    assert wait([source("starting")], timeout_s=0.3).sources == (source("starting"),)
    assert "ValueError: broken" in wait(ValueError("broken"), timeout_s=5.0).reason


def test_it_knows_that_there_is_no_gpu(wait: Callable[..., Any]) -> None:
    """Where the driver is not there it says so at once, and a driver that failed is no reason to wait."""
    seen = wait(Absent("/proc/driver/nvidia/version"))
    assert seen.reason == "no GPU on this node: /proc/driver/nvidia/version is not there"
    assert wait([source("failed", "differ")]).sources == (source("failed", "differ"),)


@pytest.mark.parametrize("links", [False, True])
def test_a_first_sample_that_is_late(links: bool) -> None:
    """A sample that has not come by the deadline does not say that there is nothing, for --allow-none neither."""
    late = threading.Event()

    class Late(Sampled):
        def sample(self) -> tuple[Any, ...]:
            late.wait(10.0)
            raise Absent("/proc/driver/nvidia/version")

    loop = SamplerLoop(Late(), grace_s=10.0)
    runner = Runner({"gpu": Collected(loop, View(())), "link_health": Collected(loop, View(()))}, 5.0)
    deadline = time.monotonic() + 0.2
    try:
        if links:
            seen_links = awaited_links(loop, runner, deadline)
            part = part_of_links(seen_links.verdicts, seen_links.reason, allow_none=True)
        else:
            seen = awaited(loop, runner, deadline)
            part = part_of_gpus(seen.verdicts, seen.sources, seen.reason, allow_none=True)
    finally:
        late.set()
        loop.stop()
    assert (part.state, "in time" in part.headline) == ("unknown", True)


def test_a_vendor_whose_gpus_cannot_be_read() -> None:
    """Its GPUs are not known to be well because those of another vendor are."""
    loops = [SamplerLoop(Sampled(answer)) for answer in ([verdict(0, "all")], ValueError("broken"))]
    joined = Joined(loops)
    try:
        runner = Runner({"gpu": GpuCollector(joined)}, 5.0)
        seen = awaited(joined, runner, time.monotonic() + 5)
    finally:
        joined.stop()
    assert seen.verdicts == (verdict(0, "all"),)
    assert summary(part_of_gpus(seen.verdicts, seen.sources, seen.reason))[1] == EXIT_UNKNOWN


@pytest.mark.parametrize("output", ["1>/dev/full", "| true"])
def test_the_exit_code_outlives_the_output(output: str) -> None:
    """A critical GPU gives 2 also where nobody reads why."""
    command = f"{shlex.quote(sys.executable)} -m nodescope check --simulate h200x8 --simulate.faults lost@0:gpu1"
    shell = f'{command} {output}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=60, env=own_environment(), check=False)
    assert done.returncode == 2, done.stderr


def test_it_waits_for_links() -> None:
    """The verdicts on links are those of the first sample; what failed or came too late says so."""

    def wait_for_links(answer: Any, timeout_s: float = 10.0) -> Any:
        loop = SamplerLoop(Sampled(answer))
        try:
            runner = Runner({"link_health": Collected(loop, View(()))}, 5.0)
            return awaited_links(loop, runner, time.monotonic() + timeout_s)
        finally:
            loop.stop()

    assert wait_for_links([link("nvme", "nvme0")]) == ((link("nvme", "nvme0"),), "")
    assert wait_for_links(Absent("any RDMA, PCI or NVMe device")) == ((), "")
    assert "ValueError: broken" in wait_for_links(ValueError("broken")).reason


@pytest.mark.parametrize(("down", "code"), [(False, 0), (True, 1)])
def test_links_of_a_machine(tmp_path: Path, down: bool, code: int) -> None:
    """A machine's ports are looked at once: one that is down beside others that are up is a warning."""
    write_rdma(tmp_path, 4)
    if down:
        state = tmp_path / "sys/class/infiniband/mlx5_1/ports/1/state"
        state.unlink()
        state.write_bytes(b"1: DOWN\n")
    (tmp_path / "proc").mkdir(exist_ok=True)
    paths = {"path.procfs": f"{tmp_path}/proc", "path.sysfs": f"{tmp_path}/sys", "path.rootfs": str(tmp_path)}
    given = {**paths, "collector.gpu.kmsg": "", "state.directory": str(tmp_path / "state")}
    gpus, links = look(configuration.load(given, {}), True, time.monotonic() + 30)
    assert links is not None
    part = part_of_links(links.verdicts, links.reason)
    text, found = summary(part_of_gpus(gpus.verdicts, gpus.sources, gpus.reason, allow_none=True), part)
    assert (found, "WARNING: RDMA port mlx5_1/1: the port is down" in text) == (code, down), text


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        ("", 0, "GPU OK - 8 GPUs healthy |"),
        ("remap@0:gpu2", 1, "WARNING: GPU 2 (0000:3a:00.0): memory: a bad row"),
        ("lost@0:gpu3,hang@0:gpu5,mig@0:gpu7", 2, "CRITICAL: GPU 3 (0000:5d:00.0): device: the GPU no longer answers"),
        ("mig@0:gpu7", 0, "UNKNOWN: GPU 7 (0000:db:00.0): memory: remapped rows cannot be read"),
    ],
)
def test_a_whole_machine(faults: str, code: int, words: str, tmp_path: Path) -> None:
    """Simulated GPUs, sampled and judged by all that an agent has, give the exit code of the worst of them."""
    given = {"collector.gpu.source": "simulated", "collector.gpu.kmsg": "", "state.directory": str(tmp_path)}
    settings = configuration.load({"collector.gpu.enabled": True, **given}, {})
    began = {"seed": 1, "virtual_seconds": 900.0, "start_seconds": 900.0, "monotonic_seconds": time.monotonic()}
    measurement = Measurement(
        settings, {"check": ("gpu",)}, None, Surroundings(unheard, {}, {**began, "faults": faults})
    )
    measurement.start()
    try:
        seen = awaited(measurement.loops["gpu"], measurement.runner, time.monotonic() + 30)
    finally:
        measurement.stop()
    text, found = summary(part_of_gpus(seen.verdicts, seen.sources, seen.reason))
    assert (found, words in text) == (code, True), text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        ["--timeout=soon"],
        ["--timeout=0"],
        ["--timeout=nan"],
        ["--collector.gpu.interval=never"],
        ["--config.file=/nonexistent.yaml"],
    ],
)
def test_wrong_usage_is_unknown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is given wrongly ends with 3, which is nobody's state of a GPU, and one sentence on standard error."""
    assert main(arguments) == EXIT_UNKNOWN
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("nodescope")


def test_what_nobody_foresaw_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of nodescope's own is no warning about a GPU: all is unknown, and standard error has what happened."""
    not_a_word: Any = 7
    assert main([not_a_word]) == EXIT_UNKNOWN
    told = capsys.readouterr()
    said = "nodescope itself has failed (AttributeError): report what standard error has of it"
    assert told.out == f"NODE UNKNOWN - {said}\n"
    assert "Traceback" in told.err


def test_help_says_the_exit_codes(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """--help ends with 0 and names the codes."""
    done = run("check", "--help")
    assert done.returncode == 0
    assert "Ends with 0 where they are" in " ".join(done.stdout.split())
