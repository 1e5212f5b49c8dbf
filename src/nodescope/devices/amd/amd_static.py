"""What `amd-smi static` says of each GPU, read each few minutes: to be shown whole, and beside what sysfs tells."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar, Final

from nodescope import threads
from nodescope.devices.amd.amd_smi import AmdSmi
from nodescope.devices.amd.smi_identity import supplemented
from nodescope.devices.amd.smi_program import ABSENT, AMD_SMI, NSENTER, SmiProgram, Unreadable
from nodescope.devices.amd.tool_source import ToolLimits
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu_snapshot import GpuSource

INTERVAL_S: Final = 600.0
RUN_LIMIT_S: Final = 20.0

log = logging.getLogger(__name__)


class AmdStaticSampler:
    """A `Sampler` of `AmdStatic`, one for each GPU and partition. Absent where there is no amd-smi or no GPU.

    `program`: its path, where it is not where it commonly is. `namespace`: "" or "host", that of process 1. In a pause
    nothing is run, and what runs is ended, for amd-smi holds the driver while it runs.
    """

    name: ClassVar[str] = "amd_static"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        host: Host,
        program: str = "",
        namespace: str = "",
        interval_s: float = INTERVAL_S,
        limit_s: float = RUN_LIMIT_S,
        nsenter: str = NSENTER,
        pause_file: PauseFile | None = None,
    ) -> None:
        self.interval_s = interval_s
        limits = ToolLimits(run_s=limit_s, round_s=2 * limit_s)
        self._is_paused: Callable[[], bool] = pause_file.is_paused if pause_file is not None else lambda: False
        smi = SmiProgram(host, AMD_SMI, program, namespace, limit_s, nsenter, self._is_paused)
        self._smi = AmdSmi(smi, limits)
        self._lock = threading.Lock()
        self._newest: tuple[AmdStatic, ...] = ()
        self._failure: Unreadable | None = None
        self._asked_at = float("-inf")

    @property
    def rest_s(self) -> float:
        return self.interval_s

    def sample(self) -> tuple[AmdStatic, ...]:
        """Raises `Absent`, or `SourceFailed` where amd-smi is there and does not tell."""
        failure = self.refresh()
        if failure is not None:
            raise (Absent if failure.kind in ABSENT else SourceFailed)(str(failure))
        return self._newest

    def refresh(self) -> Unreadable | None:
        """Asks amd-smi, unless somebody has just done so. Why it does not tell, if so; what was told last stays."""
        with self._lock:
            if self._is_paused():
                return self._failure
            if time.monotonic() - self._asked_at >= self.interval_s / 2:
                try:
                    self._newest, self._failure = self._smi.statics(), None
                except Unreadable as error:
                    self._failure = error
                finally:
                    self._asked_at = time.monotonic()
            return self._failure

    def newest(self) -> tuple[AmdStatic, ...]:
        """What was told last; never waits."""
        return self._newest


class Supplemented:
    """A `Source` with what amd-smi adds to it: market name, OAM, memory's kind and width, limits.

    amd-smi is run each `sampler.interval_s` in a thread of its own, and never where the source tells of no GPU. That it
    does not tell is no failure of the source.
    """

    def __init__(self, source: Source, sampler: AmdStaticSampler) -> None:
        self._source = source
        self._sampler = sampler
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def observe(self, timeout_s: float) -> Observed:
        observed = self._source.observe(timeout_s)
        if observed.gpus and not self._is_refreshing() and not self._stopped.is_set():
            thread = threading.Thread(target=self._refresh, name=self._sampler.name, daemon=True)
            try:
                threads.start(thread)
            except RuntimeError as error:
                # The source goes on without; the next look tries again.
                log.debug("no thread to run amd-smi in could be started: %s", error)
            else:
                self._thread = thread
        return supplemented(observed, self._sampler.newest())

    def status(self) -> GpuSource:
        return self._source.status()

    def close(self) -> None:
        """What runs of amd-smi ends by its own limit at the latest."""
        self._stopped.set()
        self._source.close()

    def _is_refreshing(self) -> bool:
        # One that ended by what nobody foresaw is replaced.
        return self._thread is not None and self._thread.is_alive()

    def _refresh(self) -> None:
        while not self._stopped.is_set():
            self._sampler.refresh()
            self._stopped.wait(self._sampler.interval_s)
