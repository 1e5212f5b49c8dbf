"""A source that lets go of the driver while the pause file is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.records.gpu_snapshot import GpuSource

REASON: Final = "paused until `nodescope resume gpu`, or until the pause file says"


class Pausable:
    """A `Source` that is opened by `opened` and, in a pause, closed. The library's own source sees to this itself."""

    def __init__(self, opened: Callable[[], Source], pause_file: PauseFile) -> None:
        self._open = opened
        self._source = opened()
        self._pause_file = pause_file
        self._paused = False

    def observe(self, timeout_s: float) -> Observed:
        """As the source; in a pause it waits and raises `SourceFailed`."""
        if self._pause_file.until() is None:
            if self._paused:
                self._source = self._open()
            self._paused = False
            return self._source.observe(timeout_s)
        if not self._paused:
            self._source.close()
        self._paused = True
        time.sleep(min(timeout_s, 1.0))
        raise SourceFailed(REASON)

    def status(self) -> GpuSource:
        status = self._source.status()
        return msgspec.structs.replace(status, state="paused", reason=REASON) if self._paused else status

    def close(self) -> None:
        self._source.close()
