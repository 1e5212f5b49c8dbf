"""The library while there is one, and nvidia-smi where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nodescope.devices.source import LibraryMissing, Observed, Source, SourceFailed
from nodescope.records.gpu_snapshot import GpuSource

_SAYS_NOTHING: Final = frozenset({"paused", "starting"})
"""States of the first in which it does not know yet whether there is a library."""


class Fallback:
    """A `Source` of two. The second is opened when the first says that its library is not there; the first is asked
    again each time that it is willing to look, and has the word again as soon as it has something to say. In a pause,
    and until the first has looked after it, the second keeps the word: it knows which GPUs there are."""

    def __init__(self, first: Source, second: Callable[[], Source]) -> None:
        self._first = first
        self._open = second
        self._second: Source | None = None
        self._current: Source = first

    def observe(self, timeout_s: float) -> Observed:
        try:
            observed = self._first.observe(0.0 if self._second is not None else timeout_s)
            if not observed.gpus and (second := self._keeping_the_word()):
                return second.observe(timeout_s)
        except LibraryMissing:
            if self._second is None:
                self._second = self._open()
            self._current = self._second
            return self._second.observe(timeout_s)
        except SourceFailed:
            if second := self._keeping_the_word():
                return second.observe(timeout_s)
            # The library is there and fails: so would nvidia-smi, which uses it.
            self._leave_second()
            raise
        self._leave_second()
        return observed

    def status(self) -> GpuSource:
        return self._current.status()

    def close(self) -> None:
        self._leave_second()
        self._first.close()

    def _keeping_the_word(self) -> Source | None:
        return self._second if self._first.status().state in _SAYS_NOTHING else None

    def _leave_second(self) -> None:
        self._current = self._first
        if self._second is not None:
            self._second.close()
            self._second = None
