"""What `nodescope check` says of GPUs, and with which exit code."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from nodescope import configuration
from nodescope.cli.check import EXIT_UNKNOWN, MAX_PROBLEMS, awaited, main, summary
from nodescope.collectors.parts import Surroundings, unheard
from nodescope.host import Absent
from nodescope.measurement import Measurement
from nodescope.metric import Metric
from nodescope.profiles import View
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuSource
from nodescope.runner import Runner
from nodescope.sampling import SamplerLoop, SnapshotCollector

VALUES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def verdict(number: int, component: str, state: str = "ok", **texts: str) -> GpuHealth:
    identity = GpuIdentity(vendor="nvidia", uuid=f"GPU-{number}", index=number, pci_address=f"0000:1{number}:00.0")
    return GpuHealth(identity=identity, component=component, state=state, value=VALUES[state], **texts)


def source(state: str, reason: str = "") -> GpuSource:
    return GpuSource(vendor="nvidia", kind="nvml", state=state, reason=reason)


def test_all_healthy() -> None:
    """One line says so, with the numbers behind a bar."""
    verdicts = [verdict(number, component) for number in range(8) for component in ("memory", "all")]
    text = "GPU OK - 8 GPUs healthy | gpus=8 ok=8 warning=0 critical=0 unknown=0"
    assert summary(verdicts, [source("ok")]) == (text, 0)
    assert summary(verdicts[:2], [])[0].startswith("GPU OK - 1 GPU healthy | gpus=1 ")


def test_problems_are_told_worst_first() -> None:
    """The worst GPU gives the exit code; each problem has its reason, what was read and what to do."""
    hot = {"reason": "at 87 C it is hot", "evidence": "temperature_celsius=87", "action": "look at fans"}
    lost = {"reason": "the GPU no longer answers", "action": "reboot it"}
    verdicts = [
        *(verdict(0, "thermal", "warning", **hot), verdict(0, "all", "warning", **hot)),
        *(verdict(1, "device", "critical", **lost), verdict(1, "all", "critical", **lost)),
        *(verdict(2, "device"), verdict(2, "all")),
    ]
    text, code = summary(verdicts, [source("ok")])
    assert code == 2
    assert text.splitlines() == [
        "GPU CRITICAL - of 3 GPUs 1 critical, 1 warning, 1 ok | gpus=3 ok=1 warning=1 critical=1 unknown=0",
        "CRITICAL: GPU 1 (0000:11:00.0): device: the GPU no longer answers",
        "    do: reboot it",
        "WARNING: GPU 0 (0000:10:00.0): thermal: at 87 C it is hot",
        "    read: temperature_celsius=87",
        "    do: look at fans",
    ]
    assert summary(verdicts[:2], [])[1] == 1


def test_the_same_is_told_once() -> None:
    """What several components or several GPUs have alike is one problem, that names them all."""
    failed = {"reason": "the driver cannot be read", "action": "run nvidia-smi"}
    silent = {"reason": "the GPU gives no readings"}
    verdicts = []
    for number in range(2):
        verdicts += [verdict(number, "driver", "critical", **failed), verdict(number, "all", "critical", **failed)]
        verdicts += [verdict(number, component, "unknown", **silent) for component in ("power", "memory")]
    assert summary(verdicts, [])[0].splitlines()[1:] == [
        "CRITICAL: GPU 0 (0000:10:00.0), 1 (0000:11:00.0): driver: the driver cannot be read",
        "    do: run nvidia-smi",
        "UNKNOWN: GPU 0 (0000:10:00.0), 1 (0000:11:00.0): power, memory: the GPU gives no readings",
    ]


def test_what_is_unknown() -> None:
    """A GPU of which nothing is known gives 3, unless another is ill; what merely was not judged is told with 0."""
    unknown = [
        verdict(0, "device", "unknown", reason="not allowed"),
        verdict(0, "all", "unknown", reason="not allowed"),
    ]
    assert summary([*unknown, verdict(1, "all")], [])[1] == 3
    assert summary([*unknown, verdict(1, "all", "warning")], [])[1] == 1
    text, code = summary([verdict(0, "memory", "unknown", reason="MIG is on"), verdict(0, "all")], [])
    assert (code, text.splitlines()[1]) == (0, "UNKNOWN: GPU 0 (0000:10:00.0): memory: MIG is on")


@pytest.mark.parametrize(
    ("sources", "reason", "allow_none", "code", "words"),
    [
        ([], "no GPU on this node: /proc/driver/nvidia/version is not there", False, 3, "no GPU on this node"),
        ([], "no GPU on this node: /proc/driver/nvidia/version is not there", True, 0, "GPU OK - no GPU on this node"),
        ([source("ok")], "", False, 3, "no GPU on this node"),
        ([source("ok")], "", True, 0, "no GPU on this node"),
        ([source("failed", "driver | library\n differ")], "", True, 2, "the driver cannot be read: driver / library"),
        ([source("abandoned")], "", False, 2, "the driver cannot be read: abandoned"),
        ([source("paused", "nodescope pause")], "", True, 3, "the driver is paused: nodescope pause"),
        ([source("starting")], "", False, 3, "the driver is starting"),
        ([], "NoSnapshot: gpu: no sample in the last 3 s", True, 3, "no sample"),
        ([], "", True, 3, "no reading of the GPUs in time"),
    ],
)
def test_without_verdicts(sources: Sequence[GpuSource], reason: str, allow_none: bool, code: int, words: str) -> None:
    """No GPU is unknown, or well where that is allowed; a driver that fails is critical, whatever is allowed."""
    text, found = summary([], sources, reason, allow_none)
    assert (found, words in text) == (code, True)
    assert text.startswith(f"GPU {next(state for state, value in VALUES.items() if value == code).upper()} - ")
    assert text.endswith(" | gpus=0")
    assert "\n" not in text


def test_text_of_the_driver_cannot_break_a_line() -> None:
    """Line ends, bars and bytes of no text in reasons are replaced, and a great many problems are counted."""
    odd = verdict(0, "device", "critical", reason="a\nb|c\udc80\x00", action="é")
    lines = summary([odd, verdict(0, "all", "critical")], [])[0].splitlines()
    assert lines[1:] == ["CRITICAL: GPU 0 (0000:10:00.0): device: a b/c\\udc80 ", "    do: \\xe9"]
    many = [verdict(0, f"c{number}", "warning", reason=f"reason {number}") for number in range(MAX_PROBLEMS + 3)]
    lines = summary([*many, verdict(0, "all", "warning")], [])[0].splitlines()
    assert (len(lines), lines[-1]) == (MAX_PROBLEMS + 2, "and 3 more")
    anonymous = msgspec.structs.replace(odd, identity=GpuIdentity(vendor="nvidia", uuid="GPU-x"))
    assert "GPU GPU-x (GPU-x): device" in summary([anonymous, verdict(0, "all", "critical")], [])[0]


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
    text, found = summary(seen.verdicts, seen.sources, seen.reason)
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


def test_help_says_the_exit_codes(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """--help ends with 0 and names the codes."""
    done = run("check", "--help")
    assert done.returncode == 0
    assert "Ends with 0 where they are" in done.stdout
