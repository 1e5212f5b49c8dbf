"""nodescope.cli.gpu_findings: what doctor says of GPUs that do not work."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from nodescope.cli.gpu_findings import gpu_findings, gpu_name, is_starting
from nodescope.health.gpu import GpuHealthRules
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuSource

Run = Callable[..., "CompletedProcess[str]"]


def gpus(*states: str) -> list[Gpu]:
    return [
        Gpu(
            identity=GpuIdentity(vendor="nvidia", uuid=f"GPU-{index}", index=index, pci_address=f"0000:0{index}:00.0"),
            state=state,
            reason="nvmlDeviceGetHandleByIndex_v2 said so",
            up=int(state == "ok"),
        )
        for index, state in enumerate(states)
    ]


def source(state: str, reason: str = "") -> GpuSource:
    return GpuSource(vendor="nvidia", kind="nvml", state=state, reason=reason)


def judged(found: list[Gpu], problem: str = "") -> list[object]:
    verdicts = GpuHealthRules(xids_problem=lambda: problem).examined(found, (), (), (), source("ok"))
    return [*found, source("ok"), *verdicts]


def test_gpus_that_do_not_work_are_told_together() -> None:
    """What is the same of several GPUs is one problem, with why and what to do, also where two collectors show them."""
    records = judged(gpus("lost", "lost", "denied"))
    lost, denied = gpu_findings([*records, *records])
    assert (lost.level, denied.level) == ("problem", "problem")
    assert lost.text.startswith("0 (0000:00:00.0), 1 (0000:01:00.0): device: the GPU no longer answers on its bus (")
    assert "nvmlDeviceGetHandleByIndex_v2 said so" in lost.text
    assert "reboot" in lost.action
    assert denied.text.startswith("2 (0000:02:00.0): device: nodescope is not allowed to read the GPU (")
    assert "/dev/nvidia*" in denied.action


def test_what_cannot_be_judged_is_missing() -> None:
    """Of a GPU that works what could not be read is told, with what to do; nobody asked for it by name."""
    (found,) = [one for one in gpu_findings(judged(gpus("ok"), "/dev/kmsg may not be read")) if "xid" in one.text]
    assert found.level == "missing"
    assert "/dev/kmsg may not be read" in found.text
    assert "CAP_SYSLOG" in found.action


@pytest.mark.parametrize(
    ("state", "level", "words"), [("failed", "problem", "cannot be read"), ("paused", "missing", "paused")]
)
def test_a_driver_without_gpus(state: str, level: str, words: str) -> None:
    """Where the driver tells of no GPU at all, it is told why, once; a pause was asked for, and is no problem."""
    reason = "nvmlInit_v2 failed: Driver/library version mismatch"
    (found,) = gpu_findings([source(state, reason), source(state, reason)])
    assert found.level == level
    assert found.text.startswith("driver of nvidia: ")
    assert words in found.text
    assert reason in found.text


def test_nothing_is_said_of_what_is_not_there() -> None:
    """Without GPUs there is nothing to say of them."""
    assert list(gpu_findings([])) == []


def test_a_name() -> None:
    """A GPU is called by its index and address, or by what is known of it."""
    assert gpu_name(GpuIdentity(vendor="nvidia", uuid="GPU-1")) == "GPU-1 (GPU-1)"


def test_what_has_not_been_read_yet() -> None:
    """A GPU, or what reads them all, may still be at its first reading."""
    assert is_starting(gpus("ok", "starting"))
    assert is_starting([source("starting")])
    assert not is_starting([*gpus("ok", "lost"), source("failed")])


def test_doctor_tells_of_them(run: Run) -> None:
    """doctor ends with 1 where a GPU is lost, and where the driver has none."""
    flags = ("doctor", "--role=gpu", "--web.listen-address=127.0.0.1:0", "--simulate=h200x8")
    for fault, words in (("lost@0+1000:gpu0", "no longer answers on its bus"), ("driver@0+1000", "driver of nvidia")):
        done = run(*flags, f"--simulate.faults={fault}")
        assert done.returncode == 1, done.stdout
        assert words in done.stdout
        assert "  GPUs " in done.stdout.partition("cannot work:")[2]
