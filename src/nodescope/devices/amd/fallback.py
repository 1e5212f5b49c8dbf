"""Several sources of one vendor's GPUs, the best first: sysfs, then amd-smi, then rocm-smi."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.host import Absent
from nodescope.records.gpu_snapshot import GpuSource

LOOK_S: Final = 60.0
"""How often a better source is asked again while another has the word."""


class Fallback:
    """A `Source` of several, each opened when all before it have nothing to tell, closed when one of them has again.

    Where none has anything it is as if there were only the first, but for the reasons of those that failed. `look_s`:
    between two looks at better sources.
    """

    def __init__(self, openers: Sequence[Callable[[], Source]], look_s: float = LOOK_S) -> None:
        self._openers = openers
        self._sources: list[Source] = [openers[0]()]
        self._look_s = look_s
        self._look_at = float("-inf")
        self._current = 0
        self._closed = False

    def observe(self, timeout_s: float) -> Observed:
        deadline = time.monotonic() + timeout_s
        better = self._better() if self._current and time.monotonic() >= self._look_at else None
        if better is not None:
            return better
        reasons: list[str] = []
        absent: Absent | None = None
        for number in range(self._current, len(self._openers)):
            try:
                observed = self._source(number).observe(max(0.0, deadline - time.monotonic()))
            except SourceFailed as error:
                reasons.append(str(error))
                continue
            except Absent as error:
                absent = absent or error
                continue
            self._give_word(number)
            return observed
        # They stay open, for each of them rests longer with each failure.
        self._current = 0
        if reasons or absent is None:
            raise SourceFailed("; ".join(reasons))
        raise absent

    def status(self) -> GpuSource:
        return self._sources[self._current].status()

    def close(self) -> None:
        self._closed = True
        for source in self._sources:
            source.close()

    def _source(self, number: int) -> Source:
        while len(self._sources) <= number and not self._closed:
            self._sources.append(self._openers[len(self._sources)]())
        if self._closed:
            raise SourceFailed("no source is asked any more: the agent has given the driver up")
        return self._sources[number]

    def _better(self) -> Observed | None:
        """What a better source tells, if any of them has GPUs again. Nobody waits for one that has not."""
        self._look_at = time.monotonic() + self._look_s
        for number in range(self._current):
            try:
                observed = self._source(number).observe(0.0)
            except (Absent, SourceFailed):
                continue
            if observed.gpus:
                self._give_word(number)
                return observed
        return None

    def _give_word(self, number: int) -> None:
        """To this one. Those behind it are closed."""
        if number != self._current:
            self._current = number
            self._look_at = time.monotonic() + self._look_s
        if len(self._sources) > number + 1:
            behind = self._sources[number + 1 :]
            del self._sources[number + 1 :]
            for source in behind:
                source.close()
