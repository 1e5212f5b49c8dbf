"""A process that tells of simulated GPUs in the frames of the one that reads real ones: `python -m` this module.

Its last argument is a JSON object, as `devices/nvidia/frame.py` says, with one more key: `simulate`, of which
`Simulation.gpu_options` gives the content. To standard output go frames, one sample each interval. It ends when its
standard input does, when nobody reads any more, and after a frame that says that the driver is gone.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nodescope.simulate.gpu_board import CUDA, DRIVER, LIBRARY
from nodescope.simulate.gpu_machine import Gpus, Listening, gpus_of, report
from nodescope.simulate.gpu_model import Fields

LENGTH_BYTES: Final = 4
LEAST_INTERVAL_S: Final = 0.01
MAX_READ_BYTES: Final = 4096
DRIVER_NOT_LOADED: Final = 9
"""NVML_ERROR_DRIVER_NOT_LOADED."""
USAGE_STATUS: Final = 2


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """Which GPUs, and their time: it was `virtual_seconds` since boot at `monotonic_seconds`, and goes at `speed`."""

    seed: int
    virtual_seconds: float
    monotonic_seconds: float
    start_seconds: float
    speed: float = 1.0
    faults: str = ""
    partitioned: bool = False

    def virtual(self, monotonic: float) -> float:
        return self.virtual_seconds + (monotonic - self.monotonic_seconds) * self.speed

    def real_seconds(self, virtual: float) -> float:
        """How long that many virtual seconds take."""
        return virtual / self.speed if self.speed > 0 else 0.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Those of the child that reads real GPUs which mean something here, and `simulate`."""

    simulate: Simulated
    interval_seconds: float = 1.0
    skip: dict[str, tuple[str, ...]] = {}
    processes: bool = True
    profiling: bool = True


class Teller:
    """What the child says, frame by frame. `monotonic`: when it began, on that clock."""

    def __init__(self, options: Options, gpus: Gpus, monotonic: float) -> None:
        self._options = options
        self._gpus = gpus
        self._since = self._told = options.simulate.virtual(monotonic)
        self._partitioned: tuple[bool, ...] | None = None
        self._generation = 0
        self._number = 0

    def frames(self, monotonic: float) -> Iterator[Fields]:
        """What there is to say at that time; a failure is the last."""
        now = self._options.simulate.virtual(monotonic)
        if not self._gpus.driver_loaded(now):
            text = "Driver Not Loaded"
            yield {"type": "failure", "code": DRIVER_NOT_LOADED, "call": "nvmlInit_v2", "text": text}
            return
        if self._number == 0:
            versions = {"driver_version": DRIVER, "library_version": LIBRARY, "cuda_version": CUDA}
            yield {"type": "hello", "pid": os.getpid(), **versions}
        if self._gpus.partitioned(now) != self._partitioned:
            yield self._inventory(now)
        yield from self._xids(now)
        yield self._sample(now, monotonic)

    def _inventory(self, now: float) -> Fields:
        self._partitioned = self._gpus.partitioned(now)
        self._generation += 1
        gpus, instances = self._gpus.inventory(now)
        return {"type": "inventory", "generation": self._generation, "gpus": gpus, "instances": instances}

    def _xids(self, now: float) -> Iterator[Fields]:
        """As with the driver: those from before there was anyone who waited for them never come."""
        for uuid, xid, at in self._gpus.xids(self._told, now):
            ago = self._options.simulate.real_seconds(now - at)
            yield {"type": "xid", "uuid": uuid, "xid": xid, "time_seconds": time.time() - ago}
        self._told = now

    def _sample(self, now: float, monotonic: float) -> Fields:
        self._number += 1
        reports = [self._report(number, now, monotonic) for number in range(len(self._gpus.gpus))]
        sample = {"type": "sample", "number": self._number, "generation": self._generation, "reports": reports}
        return {**sample, "cpu_seconds": time.process_time()}

    def _report(self, number: int, now: float, monotonic: float) -> Fields:
        options, gpu = self._options, self._gpus.gpus[number]
        # GPM says something from the second sample on.
        profiling = options.profiling and self._number > 1
        skip = options.skip.get(gpu.board.uuid, ())
        found = report(gpu, now, Listening(self._since, skip, options.processes, profiling))
        fields = found.fields
        if found.read_at is not None:
            ago = options.simulate.real_seconds(now - found.read_at)
            fields["sampled_monotonic_seconds"] = monotonic - ago
        if found.hung_since is not None:
            fields["busy_seconds"] = options.simulate.real_seconds(now - found.hung_since)
        return fields


def main(arguments: list[str]) -> int:
    """The status to exit with."""
    try:
        options = options_of(arguments)
        simulated = options.simulate
        gpus = gpus_of(simulated.seed, simulated.faults, simulated.start_seconds, simulated.partitioned)
    except (ValueError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"{__spec__.name}: {error}\n")
        return USAGE_STATUS
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        return _tell(Teller(options, gpus, time.monotonic()), options.interval_seconds)
    except BrokenPipeError:
        return 0


def options_of(arguments: list[str]) -> Options:
    """Raises `ValueError` or a msgspec error that says what is wrong with them."""
    if len(arguments) != 1:
        raise ValueError(f"expected one argument, a JSON object of options, got {len(arguments)} arguments")
    options = msgspec.json.decode(arguments[0].encode(), type=Options)
    if options.interval_seconds < LEAST_INTERVAL_S:
        raise ValueError(f"interval_seconds: expected at least {LEAST_INTERVAL_S}, got {options.interval_seconds}")
    if options.simulate.speed < 0:
        raise ValueError(f"simulate.speed: expected at least 0, got {options.simulate.speed}")
    return options


def _tell(teller: Teller, interval_s: float) -> int:
    encoder = msgspec.msgpack.Encoder()
    due = time.monotonic()
    while True:
        for frame in teller.frames(time.monotonic()):
            _write(encoder.encode(frame))
            if frame["type"] == "failure":
                return 1
        # A sample that came late is not made up for.
        due = max(due + interval_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _write(data: bytes) -> None:
    left: Any = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    while left:
        left = left[os.write(sys.stdout.fileno(), left) :]


def _end_with_input() -> None:
    """At once, also while the other thread sleeps or waits for a reader."""
    while os.read(sys.stdin.fileno(), MAX_READ_BYTES):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
