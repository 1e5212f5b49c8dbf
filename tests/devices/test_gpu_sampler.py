"""When a driver is opened, and when not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodescope.devices.gpu_sampler import GpuSampler
from nodescope.host import Absent, Host
from nodescope.records.gpu_snapshot import GpuSource


class Opened:
    """An observer that counts."""

    def __init__(self) -> None:
        self.samples = self.closes = 0
        self.absent = False

    def sample(self) -> tuple[Any, ...]:
        self.samples += 1
        if self.absent:
            raise Absent("/proc/driver/nvidia/version")
        return (self.samples,)

    def close(self) -> None:
        self.closes += 1


@pytest.fixture
def observer() -> Opened:
    return Opened()


def signs(root: Path) -> tuple[str, str]:
    return str(root / "driver/version"), str(root / "driver/params")


def test_without_a_driver_nothing_is_opened(tmp_path: Path, observer: Opened) -> None:
    """Where no driver is loaded the source is not opened, and the next look is later."""
    sampler = GpuSampler(Host(procfs=str(tmp_path)), signs(tmp_path), lambda: pytest.fail("opened"), 1.0)
    with pytest.raises(Absent, match="driver/version"):
        sampler.sample()
    assert sampler.rest_s == 10.0
    sampler.close()


@pytest.mark.parametrize("sign", ["version", "params"])
def test_a_driver_that_comes(tmp_path: Path, observer: Opened, sign: str) -> None:
    """A driver that is loaded later is seen by either of its files, and opened once."""
    opens: list[Opened] = []

    def opened() -> Opened:
        opens.append(observer)
        return observer

    sampler = GpuSampler(Host(procfs=str(tmp_path)), signs(tmp_path), opened, 1.0)
    with pytest.raises(Absent):
        sampler.sample()
    (tmp_path / "driver").mkdir(parents=True)
    (tmp_path / "driver" / sign).write_bytes(b"x")
    assert [sampler.sample()[0], sampler.sample()[0]] == [1, 2]
    assert (len(opens), sampler.rest_s) == (1, 0.5)
    observer.absent = True
    with pytest.raises(Absent):
        sampler.sample()
    assert sampler.rest_s == 10.0


def test_who_asks_for_gpus_gets_them(tmp_path: Path, observer: Opened) -> None:
    """A source that was asked for by a setting is opened without a sign of a driver."""
    assert GpuSampler(Host(procfs=str(tmp_path)), signs(tmp_path), lambda: observer, 1.0, forced=True).sample()[0] == 1


class Slow:
    """An observer of a source that has a new round for every second sample."""

    def __init__(self) -> None:
        self.samples = 0

    def sample(self) -> tuple[Any, ...]:
        self.samples += 1
        rounds = (self.samples + 1) // 2
        return (GpuSource(vendor="amd", kind="rocm-smi", state="ok", sample_seconds=0.5, rounds=rounds),)

    def close(self) -> None: ...


def test_each_round_is_timed_once(tmp_path: Path) -> None:
    """A round that two samples show took its time once."""
    sampler = GpuSampler(Host(procfs=str(tmp_path)), signs(tmp_path), Slow, 1.0, forced=True)
    for _ in range(5):
        *_, sampling = sampler.sample()
    assert (sampling.samples, sampling.timed, sampling.seconds) == (5, 3, 1.5)


def test_closing(tmp_path: Path, observer: Opened) -> None:
    """What is opened is closed, and what is opened after the end is closed at once."""
    sampler = GpuSampler(Host(procfs=str(tmp_path)), signs(tmp_path), lambda: observer, 1.0, forced=True)
    sampler.close()
    assert observer.closes == 0
    sampler.sample()
    assert observer.closes == 1
