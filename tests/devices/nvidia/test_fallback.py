"""The library while there is one, else nvidia-smi."""

from __future__ import annotations

import pytest

from nodescope.devices.nvidia.fallback import Fallback
from nodescope.devices.source import LibraryMissing, Observed, SourceFailed
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import GpuSource


class Told:
    """A source that says what it is told to."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.error: Exception | None = None
        self.state = "ok"
        self.gpus: tuple[GpuIdentity, ...] = (GpuIdentity(vendor="nvidia", uuid=kind),)
        self.waits: list[float] = []
        self.closed = 0

    def observe(self, timeout_s: float) -> Observed:
        self.waits.append(timeout_s)
        if self.error is not None:
            raise self.error
        return Observed(1, self.gpus, (), ())

    def status(self) -> GpuSource:
        return GpuSource(vendor="nvidia", kind=self.kind, state=self.state)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def library() -> Told:
    return Told("nvml")


@pytest.fixture
def program() -> Told:
    return Told("nvidia-smi")


def test_while_there_is_a_library(library: Told, program: Told) -> None:
    """nvidia-smi is never opened while the library answers."""
    source = Fallback(library, lambda: program)
    assert source.observe(1.0).gpus[0].uuid == "nvml"
    assert (program.waits, source.status().kind) == ([], "nvml")


def test_without_a_library(library: Told, program: Told) -> None:
    """Without the library nvidia-smi answers, and the library is looked for without waiting."""
    source = Fallback(library, lambda: program)
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    assert [source.observe(1.0).gpus[0].uuid for _ in range(2)] == ["nvidia-smi"] * 2
    assert (source.status().kind, library.waits, program.waits) == ("nvidia-smi", [1.0, 0.0], [1.0, 1.0])


def test_when_the_library_comes(library: Told, program: Told) -> None:
    """When the library comes it has the word again, and nvidia-smi is closed."""
    source = Fallback(library, lambda: program)
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    source.observe(1.0)
    library.error = None
    assert source.observe(1.0).gpus[0].uuid == "nvml"
    assert (source.status().kind, program.closed) == ("nvml", 1)


def test_another_failure_is_no_reason_to_change(library: Told, program: Told) -> None:
    """A driver that fails fails for nvidia-smi too, so it is not asked."""
    source = Fallback(library, lambda: program)
    library.error = SourceFailed("the driver and its library differ")
    with pytest.raises(SourceFailed):
        source.observe(1.0)
    assert program.waits == []


def test_a_library_that_fails_once_it_is_there(library: Told, program: Told) -> None:
    """Where the library has come and fails, nvidia-smi is closed."""
    source = Fallback(library, lambda: program)
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    source.observe(1.0)
    library.error = SourceFailed("the driver and its library differ")
    with pytest.raises(SourceFailed, match="differ"):
        source.observe(1.0)
    assert (program.closed, source.status().kind, len(program.waits)) == (1, "nvml", 1)


def test_a_pause(library: Told, program: Told) -> None:
    """In a pause, and until the library was looked for after it, nvidia-smi keeps the word: it knows the GPUs."""
    source = Fallback(library, lambda: program)
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    source.observe(1.0)
    library.error, library.state, library.gpus = None, "paused", ()
    assert source.observe(1.0).gpus[0].uuid == "nvidia-smi"
    library.error, library.state = SourceFailed("waits for the library"), "starting"
    assert source.observe(1.0).gpus[0].uuid == "nvidia-smi"
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    assert source.observe(1.0).gpus[0].uuid == "nvidia-smi"
    assert (program.closed, source.status().kind) == (0, "nvidia-smi")


def test_the_end(library: Told, program: Told) -> None:
    """Both are closed at the end."""
    source = Fallback(library, lambda: program)
    library.error = LibraryMissing("libnvidia-ml.so.1 is not there")
    source.observe(1.0)
    source.close()
    source.close()
    assert program.closed == 1
    assert library.closed == 2
