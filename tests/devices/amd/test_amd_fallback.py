"""Several sources, the best first."""

from __future__ import annotations

import functools

import pytest

from nodescope.devices.amd.fallback import Fallback
from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.host import Absent
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import GpuSource


class Scripted:
    """A source that does what `does` is: an exception that it raises, or a name of the GPU that it tells of."""

    def __init__(self, kind: str, does: Exception | str) -> None:
        self.kind = kind
        self.does = does
        self.asked = 0
        self.closed = 0

    def observe(self, timeout_s: float) -> Observed:
        self.asked += 1
        if isinstance(self.does, Exception):
            raise self.does
        return Observed(1, (GpuIdentity(vendor="amd", uuid=self.does),) if self.does else (), (), ())

    def status(self) -> GpuSource:
        return GpuSource(vendor="amd", kind=self.kind, state="ok")

    def close(self) -> None:
        self.closed += 1


class Machine:
    """Sources that are made when they are opened. `made`: all that were."""

    def __init__(self, *does: Exception | str) -> None:
        self.does = list(does)
        self.made: list[Scripted] = []

    def opener(self, number: int) -> Source:
        self.made.append(Scripted(("sysfs", "amd-smi", "rocm-smi")[number], self.does[number]))
        return self.made[-1]

    def fallback(self, look_s: float = 0.0) -> Fallback:
        return Fallback([functools.partial(self.opener, number) for number in range(len(self.does))], look_s)


def uuid(fallback: Fallback) -> str:
    (gpu,) = fallback.observe(0.1).gpus
    return gpu.uuid


def test_the_first_is_enough() -> None:
    """While the first tells, no other is opened."""
    machine = Machine("a", "b", "c")
    fallback = machine.fallback()
    assert [uuid(fallback), uuid(fallback)] == ["a", "a"]
    assert [source.kind for source in machine.made] == ["sysfs"]
    assert fallback.status().kind == "sysfs"
    fallback.close()
    assert machine.made[0].closed == 1


@pytest.mark.parametrize("problem", [Absent("no amdgpu"), SourceFailed("sysfs is not mounted")])
def test_down_and_up(problem: Exception) -> None:
    """Where the first has nothing the next is asked, and left again when the first has GPUs."""
    machine = Machine(problem, Absent("no amd-smi"), "c")
    fallback = machine.fallback()
    assert uuid(fallback) == "c"
    assert fallback.status().kind == "rocm-smi"
    machine.made[1].does = "b"
    assert uuid(fallback) == "b"
    assert (fallback.status().kind, machine.made[2].closed) == ("amd-smi", 1)
    machine.made[0].does = ""
    assert uuid(fallback) == "b"
    machine.made[0].does = "a"
    assert uuid(fallback) == "a"
    assert (fallback.status().kind, machine.made[1].closed) == ("sysfs", 1)


def test_better_ones_are_asked_seldom() -> None:
    """While another has the word a better one is asked only when it is time to look."""
    machine = Machine(Absent("no amdgpu"), "b")
    fallback = machine.fallback(look_s=3600.0)
    assert [uuid(fallback) for _ in range(5)] == ["b"] * 5
    assert machine.made[0].asked == 1


def test_nothing_anywhere() -> None:
    """Where none has anything it is absent; a failure of any is told, with all reasons. They stay open meanwhile."""
    machine = Machine(Absent("no amdgpu"), Absent("no amd-smi"), Absent("no rocm-smi"))
    fallback = machine.fallback()
    for _ in range(2):
        with pytest.raises(Absent, match="no amdgpu"):
            fallback.observe(0.1)
    machine.made[1].does, machine.made[2].does = SourceFailed("amd-smi hangs"), SourceFailed("rocm-smi fails")
    with pytest.raises(SourceFailed, match="amd-smi hangs; rocm-smi fails"):
        fallback.observe(0.1)
    assert [source.closed for source in machine.made] == [0, 0, 0]
    fallback.close()
    assert [source.closed for source in machine.made] == [1, 1, 1]
