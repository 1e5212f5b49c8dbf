"""One vendor's GPUs are sampled where there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodescope.devices.gpu_sampler import ABSENT_REST_S, GpuSampler
from nodescope.host import Absent, Host
from nodescope.records.gpu_sampling import GpuSampling
from nodescope.records.gpu_snapshot import GpuSource


class Told:
    """An observer that gives what it is told, or raises it."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.closed = 0

    def sample(self) -> tuple[Any, ...]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return (answer,)

    def close(self) -> None:
        self.closed += 1


def source(state: str, seconds: float | None = None) -> GpuSource:
    return GpuSource(vendor="amd", kind="sysfs", state=state, sample_seconds=seconds)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path))


def test_without_a_sign_nothing_is_opened(host: Host) -> None:
    """Where no driver is seen the observer is not opened, and the next look is later; a sign that comes is seen."""
    opened: list[Told] = []

    def opening() -> Told:
        opened.append(Told(source("ok")))
        return opened[-1]

    sign = host.sys("bus/pci/drivers/xe")
    sampler = GpuSampler(host, (host.sys("bus/pci/drivers/i915"), sign), opening, 2.0)
    with pytest.raises(Absent, match="i915"):
        sampler.sample()
    assert (opened, sampler.rest_s) == ([], ABSENT_REST_S)
    Path(sign).mkdir(parents=True)
    assert sampler.sample()[0] == source("ok")
    assert sampler.rest_s == 1.0
    sampler.close()
    assert opened[0].closed == 1


def test_forced(host: Host) -> None:
    """Where it is asked for, no sign is needed."""
    assert GpuSampler(host, ("/nowhere",), lambda: Told(source("ok")), 1.0, forced=True).sample()


def test_samples_are_counted(host: Host) -> None:
    """Failures are those that the source tells and those that it raises; a GPU that is gone is none."""
    told = Told(
        source("ok", 0.5), source("failed"), ValueError("torn"), Absent("gpu"), source("ok", 0.25), source("ok")
    )
    sampler = GpuSampler(host, (), lambda: told, 1.0, forced=True)
    sampler.sample()
    (*_, sampling) = sampler.sample()
    assert (sampling.samples, sampling.failures, sampling.timed, sampling.seconds) == (2, 1, 1, 0.5)
    newest = sampling.newest_seconds
    assert newest is not None
    with pytest.raises(ValueError, match="torn"):
        sampler.sample()
    with pytest.raises(Absent):
        sampler.sample()
    sampler.sample()
    (_, sampling) = sampler.sample()
    assert isinstance(sampling, GpuSampling)
    assert (sampling.samples, sampling.failures, sampling.timed, sampling.seconds) == (5, 2, 2, 0.75)
    assert sampling.newest_seconds is not None
    assert sampling.newest_seconds >= newest


def test_closed_while_it_opens(host: Host) -> None:
    """What is opened after the end is closed at once."""
    told = Told(source("ok"))
    sampler = GpuSampler(host, (), lambda: told, 1.0, forced=True)
    sampler.close()
    sampler.sample()
    assert told.closed == 1
