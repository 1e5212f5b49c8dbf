"""A GPU child that runs against the fake driver's library, and what it has said."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from nodescope.devices.nvidia.frame import Failure, Frame, Inventory, Sample
from nodescope.devices.nvidia.frame_reader import FrameReader
from nodescope.records.gpu import GpuReport

DEADLINE_S: Final = 20.0
READ_BYTES: Final = 65536
MAX_SHOWN: Final = 2000

F = TypeVar("F", bound=Frame)


class Running:
    """`python -m nodescope.devices.nvidia.child` with `options`. `frames`: all it has said so far."""

    def __init__(self, options: Mapping[str, Any] | str, environment: Mapping[str, str]) -> None:
        told = options if isinstance(options, str) else json.dumps(options)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nodescope.devices.nvidia.child", told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin = self.process.stdin
        self._output = self.process.stdout.fileno()
        self._reader = FrameReader("child")
        self.frames: list[Frame] = []
        self._seen = 0

    def next(self, kind: type[F], accepts: Callable[[F], bool] = lambda frame: True) -> F:
        """The next frame of a kind that is accepted; those before it are passed over."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            while self._seen < len(self.frames):
                frame = self.frames[self._seen]
                self._seen += 1
                if isinstance(frame, kind) and accepts(frame):
                    return frame
            assert self._read(deadline), f"the child said no such {kind.__name__}: {self._last()}"

    def sample(self, accepts: Callable[[Sample], bool] = lambda sample: True) -> Sample:
        return self.next(Sample, accepts)

    def inventory(self, accepts: Callable[[Inventory], bool] = lambda inventory: True) -> Inventory:
        return self.next(Inventory, accepts)

    def failure(self) -> Failure:
        """What it says before it ends by itself."""
        failure = self.next(Failure)
        assert self.process.wait(DEADLINE_S) == 1
        return failure

    def report(self, gpu: int, accepts: Callable[[GpuReport], bool] = lambda report: True) -> GpuReport:
        """The next report of the GPU in a place of the list that is accepted."""
        sample = self.sample(lambda sample: len(sample.reports) > gpu and accepts(sample.reports[gpu]))
        return sample.reports[gpu]

    def close_input(self) -> int:
        """Ends its input, and gives its exit status."""
        self._stdin.close()
        return self.process.wait(DEADLINE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _last(self) -> str:
        """Its last frame, and what it complained of."""
        stderr = self.process.stderr
        said = os.read(stderr.fileno(), READ_BYTES) if stderr and select.select([stderr], [], [], 0)[0] else b""
        return f"{str(self.frames[-1:])[:MAX_SHOWN]} {said.decode(errors='replace')[:MAX_SHOWN]}"

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(self._output, READ_BYTES) if ready else b""
        self.frames += self._reader.frames(data)
        return bool(data)
