"""The thread of one GPU: what it learns of the GPU, and when it learns that again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from nodescope.devices.nvidia.child.errors import SUCCESS, TIMEOUT
from nodescope.devices.nvidia.child.options import Options
from nodescope.devices.nvidia.child.worker import Worker
from tests.devices.nvidia.child.spoken import put, spoken

UUID = b"GPU-5e41aaaa-0000-0000-0000-000000000000"
IN_USE = 19
LONG_S = 20.0


class Board:
    """One GPU that tells its name and its serial number, each with the return code of its turn; the last one stays."""

    def __init__(self, *, name: list[int], serial: list[int]) -> None:
        self.codes = {"name": name, "serial": serial}
        self.library = spoken(
            nvmlDeviceGetHandleByIndex_v2=lambda index, handle: SUCCESS,
            nvmlDeviceGetUUID=lambda handle, buffer, size: self._says(buffer, UUID),
            nvmlDeviceGetName=lambda handle, buffer, size: self._says(buffer, b"NVIDIA H200", "name"),
            nvmlDeviceGetSerial=lambda handle, buffer, size: self._says(buffer, b"165", "serial"),
            nvmlDeviceGetTemperature=self._temperature,
        )

    def _temperature(self, handle: Any, sensor: int, number: Any) -> int:
        put(number, 40)
        return SUCCESS

    def _says(self, buffer: Any, what: bytes, field: str = "") -> int:
        codes = self.codes.get(field, [SUCCESS])
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        if code == SUCCESS:
            buffer.value = what
        return code


@contextmanager
def worked(board: Board, learn_again_s: float) -> Iterator[tuple[Worker, SimpleQueue[Worker]]]:
    done: SimpleQueue[Worker] = SimpleQueue()
    worker = Worker(0, board.library, Options(), lambda pid: True, done, learn_again_s)
    worker.open()
    done.get(timeout=LONG_S)
    yield worker, done
    worker.end()


def learnt(worker: Worker) -> tuple[str | None, str | None]:
    assert worker.gpu is not None
    assert worker.failed is None
    return worker.gpu.identity.get("model"), worker.gpu.identity.get("serial")


def read(worker: Worker, done: SimpleQueue[Worker]) -> None:
    worker.read(())
    done.get(timeout=LONG_S)


def test_what_was_not_told_is_asked_again() -> None:
    """A name that the driver had no time to tell is there once it is told, in a new version of the inventory."""
    with worked(Board(name=[TIMEOUT, SUCCESS], serial=[IN_USE, SUCCESS]), 0.0) as (worker, done):
        assert (learnt(worker), worker.version) == ((None, None), 1)
        read(worker, done)
        assert (learnt(worker), worker.version) == (("NVIDIA H200", "165"), 2)
        read(worker, done)
        assert worker.version == 2


def test_not_before_its_time() -> None:
    """What was not told is not asked again at each reading."""
    with worked(Board(name=[TIMEOUT, SUCCESS], serial=[SUCCESS]), 3600.0) as (worker, done):
        read(worker, done)
        assert (learnt(worker), worker.version) == ((None, "165"), 1)


def test_a_gpu_that_tells_less() -> None:
    """What is known stays where the GPU tells no more of itself when it is asked again."""
    with worked(Board(name=[TIMEOUT], serial=[SUCCESS, TIMEOUT, SUCCESS]), 0.0) as (worker, done):
        read(worker, done)
        assert (learnt(worker), worker.version) == ((None, "165"), 1)
