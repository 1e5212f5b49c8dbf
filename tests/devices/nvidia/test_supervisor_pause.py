"""The supervisor while it is paused, and asked by many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, SourceFailed
from tests.devices.nvidia.supervised import Supervised, processes_of_ours, until

Make = Callable[..., Supervised]


def test_a_pause_gives_the_driver_up(supervised: Make, tmp_path: Path) -> None:
    """While paused there is no child, GPUs are told as paused; afterwards they are measured anew."""
    file = PauseFile(str(tmp_path / "run/gpu.paused"))
    one = supervised("deaf(); good('GPU-0')", pause_file=PauseFile(file.path))
    one.until_states(GPU_0="ok")
    file.pause()
    until(lambda: not processes_of_ours(), 2.0)
    one.until_states(GPU_0="paused")
    assert one.source.status().state == "paused"
    time.sleep(0.3)
    assert one.states() == {"GPU-0": "paused"}
    file.resume()
    one.until_states(GPU_0="ok")
    file.pause(0.8)
    one.until_states(GPU_0="paused")
    one.until_states(GPU_0="ok")
    assert one.source.status().starts == 3
    assert one.changes == []


def test_a_pause_before_the_first_child(supervised: Make, tmp_path: Path) -> None:
    """Where nothing is known, a pause is no failure and starts nothing."""
    file = PauseFile(str(tmp_path / "run/gpu.paused"))
    file.pause()
    one = supervised("good('GPU-0')", pause_file=PauseFile(file.path))
    assert one.source.observe(1) == Observed(0, (), (), ())
    assert one.source.status().state == "paused"
    assert one.starts() == []


def test_the_pause_file_pauses(supervised: Make, tmp_path: Path) -> None:
    """While the file is there and its time is not over there is no child."""
    file = PauseFile(str(tmp_path / "run/gpu.paused"))
    one = supervised("good('GPU-0')", pause_file=PauseFile(file.path))
    one.until_states(GPU_0="ok")
    file.pause()
    one.until_states(GPU_0="paused")
    assert not processes_of_ours()
    assert one.reports()["GPU-0"].reason == "paused until `nodescope resume gpu`"
    assert file.resume()
    one.until_states(GPU_0="ok")
    file.pause(0.8)
    one.until_states(GPU_0="paused")
    assert "or until 20" in one.reports()["GPU-0"].reason
    one.until_states(GPU_0="ok")


def test_many_askers_and_many_pauses(supervised: Make, tmp_path: Path) -> None:
    """Asked by many threads while it is paused, resumed and closed, it neither hangs nor breaks."""
    file = PauseFile(str(tmp_path / "run/gpu.paused"))
    one = supervised("good('GPU-0')", pause_file=PauseFile(file.path))
    wrong: list[Exception] = []
    closed = threading.Event()

    def ask() -> None:
        while not closed.is_set():
            try:
                one.source.observe(0.05)
                one.source.status()
            except SourceFailed:
                time.sleep(0.001)
            except Exception as error:  # noqa: BLE001
                wrong.append(error)

    def pause() -> None:
        while not closed.is_set():
            file.pause()
            time.sleep(0.03)
            file.resume()
            time.sleep(0.15)

    threads = [threading.Thread(target=work) for work in (ask, ask, ask, pause)]
    for thread in threads:
        thread.start()
    time.sleep(2.5)
    one.source.close()
    closed.set()
    for thread in threads:
        thread.join(10)
    assert not wrong
    assert not processes_of_ours()
