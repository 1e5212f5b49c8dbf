"""A source that lets go of the driver while the pause file is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, Source, SourceFailed, without_readings
from nodescope.records.gpu_snapshot import GpuSource

REASON: Final = "paused until `nodescope resume gpu`, or until the pause file says"
RESUMED: Final = "the pause is over, and the first reading is waited for"


class Pausable:
    """A `Source` that is opened by `opened` and, in a pause, closed. The library's own source sees to this itself.

    In a pause, and until the first reading after it, the GPUs that were known are told of without a reading.
    """

    def __init__(self, opened: Callable[[], Source], pause_file: PauseFile) -> None:
        self._open = opened
        self._source = opened()
        self._pause_file = pause_file
        self._paused = False
        self._known: Observed | None = None

    def observe(self, timeout_s: float) -> Observed:
        """As the source; in a pause it waits, and raises `SourceFailed` where no GPU is known."""
        if self._pause_file.until() is None:
            if self._paused:
                self._source = self._open()
            self._paused = False
            observed = self._observed(timeout_s)
            if observed is not None:
                return observed
        if not self._paused:
            self._source.close()
        self._paused = True
        time.sleep(min(timeout_s, 1.0))
        if self._known is None:
            raise SourceFailed(REASON)
        return without_readings(self._known, "paused", REASON)

    def _observed(self, timeout_s: float) -> Observed | None:
        """What the source gives; None where a pause has begun meanwhile, which ends what runs: that is no failure."""
        try:
            observed = self._source.observe(timeout_s)
        except Exception:
            if self._pause_file.until() is not None:
                return None
            self._known = None
            raise
        if self._pause_file.until() is not None:
            return None
        if observed.gpus:
            self._known = observed
        elif self._known is not None and self._source.status().state == "starting":
            return without_readings(self._known, "starting", RESUMED)
        else:
            self._known = None
        return observed

    def status(self) -> GpuSource:
        status = self._source.status()
        return msgspec.structs.replace(status, state="paused", reason=REASON) if self._paused else status

    def close(self) -> None:
        self._source.close()
