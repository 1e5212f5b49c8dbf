"""NVIDIA's readings from the driver's library in a child process, watched over by one thread."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final

from nodescope import threads
from nodescope.devices.nvidia import child_process
from nodescope.devices.nvidia.children import Children
from nodescope.devices.nvidia.frame import Options
from nodescope.devices.nvidia.limits import Limits
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.nvidia.told import OnChange, OnXid, Outlets
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Host
from nodescope.records.gpu_snapshot import GpuSource

HURRIED_LOOK_S: Final = 0.02
MAX_STEP_S: Final = 1.0
"""The supervisor's clock goes no further in one turn: while this process itself is stopped, nothing else is late."""
AFTER_FAILURE_S: Final = 1.0
CLOSE_MARGIN_S: Final = 0.4

log = logging.getLogger(__name__)


class Supervisor:
    """A `Source` whose readings come from a child process that speaks `frame`; see children.py for what it survives.

    `argv`: the child's command line without its options, which are `options` but for `skip`. `kind`: "nvml" or
    "simulated". `on_xid` is called for each XID, once, and `on_change(kind, subject, attributes)` for what happens to
    the source: "gpu.source_failed", "gpu.source_back" and "gpu.child_abandoned" of subject "nvidia", "gpu.call_hung" of
    a GPU's UUID or, where no GPU answers, "nvidia". Both are called in the supervising thread and must not block.
    `env`: the child's environment, else what `command.environment` says.

    Nothing is started before the first `observe`. `status` and `observe` may be called by any thread.
    """

    def __init__(
        self,
        argv: Sequence[str],
        options: Options,
        host: Host,
        on_xid: OnXid,
        on_change: OnChange,
        *,
        kind: str = "nvml",
        pause_file: PauseFile | None = None,
        env: Mapping[str, str] | None = None,
        limits: Limits = Limits(),  # noqa: B008 it never changes
    ) -> None:
        self._limits = limits
        self._pause_file = pause_file
        self._children = Children(
            lambda skip, number, now: child_process.start(argv, options, env, number, skip, now),
            host,
            Outlets(_safely(on_xid), _safely(on_change)),
            limits,
            options.interval_seconds,
            kind,
        )
        self._state = threading.Condition()
        self._told = self._children.told
        self._given = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._wake_fd = -1
        self._now = 0.0
        self._turned_at = time.monotonic()

    def observe(self, timeout_s: float) -> Observed:
        """As `Source` has it. While paused there is a report of each GPU without a reading, of state "paused".

        Once the source has failed, the GPUs there were are told for a minute with reports of state "failed"; after
        that, and where nothing was ever known, it raises `SourceFailed`, or `LibraryMissing`.
        """
        with self._state:
            self._start()
            self._state.wait_for(self._has_news, max(0.0, timeout_s))
            if self._closing:
                raise SourceFailed("the source is closed")
            self._given = self._told.number
            return self._told.given(time.monotonic())

    def _has_news(self) -> bool:
        # That a child starts is no news: who asks waits for what it will say.
        return self._closing or (self._told.number > self._given and self._told.status.state != "starting")

    def status(self) -> GpuSource:
        with self._state:
            return self._told.status

    def close(self) -> None:
        """Ends every child and the thread, within 2 s."""
        with self._state:
            self._closing = True
            self._state.notify_all()
            self._wake()
            thread = self._thread
        if thread is not None:
            thread.join(self._limits.close_s + CLOSE_MARGIN_S)
        with self._state:
            if self._wake_fd >= 0 and (thread is None or not thread.is_alive()):
                os.close(self._wake_fd)
                self._wake_fd = -1

    def _start(self) -> None:
        # A thread can end for want of memory while it tells of just that.
        if (self._thread is not None and self._thread.is_alive()) or self._closing:
            return
        if self._wake_fd < 0:
            self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        thread = threading.Thread(target=self._run, name="gpu-supervisor", daemon=True)
        try:
            threads.start(thread)
        except RuntimeError as error:
            raise SourceFailed(f"there is no thread to watch over the GPU child: {error}") from None
        self._thread = thread

    def _wake(self) -> None:
        if self._wake_fd >= 0:
            os.eventfd_write(self._wake_fd, 1)

    # In the supervising thread.

    def _run(self) -> None:
        self._turned_at = time.monotonic()
        wait_s = 0.0
        while not self._closing:
            try:
                self._wait(wait_s)
                self._turn()
                wait_s = HURRIED_LOOK_S if self._children.in_a_hurry else self._limits.look_s
            except Exception as error:
                log.exception("supervising the GPU child failed")
                self._children.stop(f"supervising the GPU child failed: {type(error).__name__}: {error}", self._now)
                self._tell()
                with self._state:
                    self._state.wait_for(lambda: self._closing, AFTER_FAILURE_S)
        self._children.close(self._now)
        self._tell()

    def _wait(self, timeout_s: float) -> None:
        """Until a child has written something, somebody has called, or it is time to look again."""
        poller = select.poll()
        for fd in (self._wake_fd, *self._children.descriptors()):
            poller.register(fd, select.POLLIN)
        if any(fd == self._wake_fd for fd, _ in poller.poll(timeout_s * 1000)):
            os.eventfd_read(self._wake_fd)

    def _turn(self) -> None:
        now = time.monotonic()
        self._now += min(now - self._turned_at, MAX_STEP_S)
        self._turned_at = now
        self._children.turn(self._now, self._pause_reason())
        self._tell()

    def _pause_reason(self) -> str:
        """Why there is to be no child, if so."""
        until = self._pause_file.until() if self._pause_file else None
        if until is None:
            return ""
        end = "" if until == inf else f", or until {_date(until)}"
        return f"paused until `nodescope resume gpu`{end}"

    def _tell(self) -> None:
        if self._children.told is not self._told:
            with self._state:
                self._told = self._children.told
                self._state.notify_all()


def _date(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "a time beyond the calendar"


def _safely(function: Callable[..., Any]) -> Callable[..., None]:
    """`function`, whose failure is logged and ends nothing."""

    def call(*arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            log.exception("what happened to a GPU could not be passed on")

    return call
