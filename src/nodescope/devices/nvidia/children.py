"""The GPU children: one that is asked, at times a replacement for it, and those that do not end.

A state machine without threads: `turn` is called again and again, and looks at what the children wrote and at the time.

- A child whose library, or a call that concerns all GPUs, hangs is killed and replaced.
- A child that hangs in a call of one GPU goes on telling of the others. A replacement that leaves that call out is
  started beside it, and takes its place when it has something to say of every GPU. Later a replacement that makes the
  call again is tried in the same way.
- A child that has grown too large is replaced in the same way: libraries leak.
- A killed child that does not end is abandoned. With `max_abandoned` of them no more are started.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from nodescope.command import CommandFailed
from nodescope.devices.nvidia import told
from nodescope.devices.nvidia.child_process import ChildProcess, Fault
from nodescope.devices.nvidia.killed_children import KilledChildren
from nodescope.devices.nvidia.known_gpus import KnownGpus
from nodescope.devices.nvidia.limits import BackOff, Limits
from nodescope.devices.nvidia.quarantine import Quarantine, Skip
from nodescope.devices.nvidia.told import Counts, Outlets, Told, Trouble
from nodescope.devices.nvidia.xid.twins import XidTwins
from nodescope.devices.source import LibraryMissing, SourceFailed
from nodescope.host import Absent, Host

END_STEP_S: Final = 0.01

log = logging.getLogger(__name__)


class Children:
    """See the module. `launch(skip, number, now)` starts a child; `kind` is the source's, "nvml"."""

    def __init__(
        self,
        launch: Callable[[Skip, int, float], ChildProcess],
        host: Host,
        outlets: Outlets,
        limits: Limits,
        interval_s: float,
        kind: str,
    ) -> None:
        self.killed = KilledChildren(limits.reap_s)
        self._launch = launch
        self._outlets = outlets
        self._limits = limits
        self._interval_s = interval_s
        self._kind = kind
        self._known = KnownGpus(host)
        self._counts = Counts()
        self._quarantine = Quarantine(limits.quarantine_s, limits.longest_quarantine_s)
        self._back_off = BackOff(limits.back_off_s, limits.longest_back_off_s, limits.healthy_s)
        self._twins = XidTwins()
        self._current: ChildProcess | None = None
        self._replacement: ChildProcess | None = None
        self._shown: object = None
        self._taken: object = None
        self._trouble: Trouble | None = None
        self._told_of_trouble = False
        self._paused = ""
        self.told = self._next_told(0)
        self._told_mark = self._mark()

    @property
    def in_a_hurry(self) -> bool:
        """Whether a child's end is due, so that the next turn shall be soon."""
        return bool(self.killed.dying) or any(child.is_read for child in self._alive())

    def descriptors(self) -> list[int]:
        """Those to poll for input."""
        return [fd for child in (*self._alive(), *self.killed.dying) for fd in child.descriptors()]

    def turn(self, now: float, paused: str) -> None:
        """Looks at all children. `now`: a clock's seconds. `paused`: why there is to be no child, empty for no reason.

        `told` is a new one afterwards where there is something new to tell.
        """
        self._read(now)
        for child in self.killed.tend(now):
            self._tell_abandoned(child)
        if paused:
            self._kill_all(now)
            self._trouble = None
        else:
            if self._paused:
                self._back_off.clear()
                self._quarantine.clear()
            self._examine_replacement(now)
            self._examine_current(now)
            self._start_what_is_due(now)
        self._paused = paused
        # A pause is told of when it is true: nothing of ours has the driver open.
        if not (paused and self.killed.dying) and self._mark() != self._told_mark:
            self._tell()

    def stop(self, reason: str, now: float) -> None:
        """Ends all children, after a failure of our own; they are started again after a while."""
        self._kill_all(now)
        self._back_off.failed(now)
        self._set_trouble(reason, SourceFailed)
        self._tell()

    def close(self, now: float) -> None:
        """Ends all children, and waits for that `close_s` at most."""
        self._kill_all(now)
        deadline = time.monotonic() + self._limits.close_s
        while self.killed.dying and time.monotonic() < deadline:
            self._read(now)
            self.killed.tend(now)
            time.sleep(END_STEP_S)
        self.killed.give_up()

    def _alive(self) -> Iterable[ChildProcess]:
        return [child for child in (self._current, self._replacement) if child is not None]

    def _mark(self) -> tuple[object, ...]:
        """Changes when there is something new to tell."""
        sample = (self._current.number, self._current.samples) if self._current else None
        abandoned = tuple(child.pid for child in self.killed.abandoned)
        return sample, self._counts.starts, self._trouble, self._paused, abandoned, self._known.generation

    # What the children say.

    def _read(self, now: float) -> None:
        children = (*self._alive(), *self.killed.dying)
        self._twins.expect(len(children) > 1, now)
        for child in children:
            for xid in child.read(now):
                if self._twins.is_first(xid, child.number):
                    self._outlets.on_xid(xid)

    def _note_hung(self, child: ChildProcess, now: float) -> bool:
        """Puts the calls that hang into quarantine; whether there is one that was not known."""
        if child.sample is None or child.inventory is None:
            return False
        known = {gpu.uuid for gpu in child.inventory.gpus}
        before = len(child.noted)
        for report in child.sample.reports:
            call = (report.uuid, report.busy_call)
            if report.busy_seconds >= self._limits.call_s and report.uuid in known and child.note(call):
                self._counts.hung_calls += 1
                self._quarantine.hung(*call, now)
                self._outlets.on_change("gpu.call_hung", report.uuid, {"call": report.busy_call})
        return len(child.noted) > before

    def _examine_replacement(self, now: float) -> None:
        child = self._replacement
        if child is None:
            return
        fault = child.fault(now, self._limits, self._interval_s)
        if fault is not None or self._note_hung(child, now):
            self._count_hung(fault)
            log.info("the replacement of the GPU child is given up: %s", fault.text if fault else "a call hangs in it")
            self._replacement = None
            self.killed.kill(child, now)
            self._back_off.failed(now)
        elif child.answers_for_all(self._limits.call_s):
            self._promote(now)

    def _examine_current(self, now: float) -> None:
        child = self._current
        if child is None:
            return
        fault = child.fault(now, self._limits, self._interval_s)
        if fault is not None:
            self._lose_current(fault, now)
            return
        if child.inventory is not None and child.inventory is not self._taken:
            self._taken = child.inventory
            self._known.take(child.inventory, child.number)
        if child.sample is None or child.sample is self._shown:
            return
        self._shown = child.sample
        self._known.look()
        hung = self._note_hung(child, now)
        if not hung and not child.noted and child.answers_for_all(self._limits.call_s):
            self._quarantine.went_well(child.skip, now)
        self._back_off.well(now)
        if self._told_of_trouble:
            log.info("the GPUs are read again")
            self._outlets.on_change("gpu.source_back", told.VENDOR, {"kind": self._kind})
        self._trouble = None
        self._told_of_trouble = False

    # Which children there are.

    def _promote(self, now: float) -> None:
        """The replacement takes the place of the child that is asked now."""
        if self._current is not None:
            self.killed.kill(self._current, now)
        self._current, self._replacement = self._replacement, None

    def _lose_current(self, fault: Fault, now: float) -> None:
        self._count_hung(fault)
        if fault.hung:
            self._outlets.on_change("gpu.call_hung", told.VENDOR, {"call": fault.text})
        self._promote(now)
        if self._current is None:
            self._back_off.failed(now, self._limits.no_library_s if fault.no_library else 0.0)
        if self._current is None or self._current.sample is None:
            self._set_trouble(fault.text, LibraryMissing if fault.no_library else SourceFailed)

    def _set_trouble(self, text: str, error: type[Exception]) -> None:
        since = self._trouble.since if self._trouble else time.monotonic()
        self._trouble = Trouble(since, text, error)
        # That there is no driver at all is no event.
        if not self._told_of_trouble and (error is not LibraryMissing or self._known.gpus):
            self._told_of_trouble = True
            log.warning("the GPUs cannot be read: %s", text)
            self._outlets.on_change("gpu.source_failed", told.VENDOR, {"kind": self._kind, "reason": text})

    def _start_what_is_due(self, now: float) -> None:
        if now < self._back_off.next_at or self._replacement is not None:
            return
        blocked = self.killed.count >= self._limits.max_abandoned
        if self._current is None:
            if not blocked:
                self._current = self._start(self._quarantine.skip(now), now)
            elif self.killed.abandoned and self._trouble is None:
                self._set_trouble(self._stuck(), SourceFailed)
        elif self._current.sample is not None and not blocked:
            # One that does not end shows that its call still hangs: to try that again would cost another child.
            skip = self._quarantine.skip(now, try_again=not self.killed.count)
            grown = self._current.has_grown(now, self._limits)
            if grown:
                log.warning("GPU child %d takes too much memory and is replaced", self._current.pid)
            if grown or skip != self._current.skip:
                self._replacement = self._start(skip, now)

    def _start(self, skip: Skip, now: float) -> ChildProcess | None:
        self._counts.starts += 1
        try:
            return self._launch(skip, self._counts.starts, now)
        except CommandFailed as error:
            self._back_off.failed(now)
            if self._current is None:
                self._set_trouble(str(error), SourceFailed)
            return None

    def _kill_all(self, now: float) -> None:
        for child in self._alive():
            self.killed.kill(child, now)
        self._current = self._replacement = None

    def _count_hung(self, fault: Fault | None) -> None:
        self._counts.hung_calls += fault is not None and fault.hung

    def _tell_abandoned(self, child: ChildProcess) -> None:
        self._counts.abandoned += 1
        log.warning("GPU child %d hangs in the kernel and cannot be ended", child.pid)
        self._outlets.on_change("gpu.child_abandoned", told.VENDOR, {"pid": str(child.pid)})

    # What others are told.

    def _tell(self) -> None:
        self.told = self._next_told(self.told.number + 1)
        self._told_mark = self._mark()

    def _next_told(self, number: int) -> Told:
        state, reason = self._state()
        child = self._current
        hello = child.hello if child is not None and state == "ok" else None
        status = told.status(self._kind, state, reason, self._known, self._counts, hello)
        if state == "ok" and child is not None and child.sample is not None:
            if not self._known.gpus:
                return Told(number, status, None, Absent)
            reports = [
                told.judged(report, child.skip, self._quarantine.calls(report.uuid), self._limits.call_s)
                for report in child.sample.reports
            ]
            return Told(number, status, told.observed(self._known, reports), Absent)
        if state == "paused":
            return Told(number, status, told.without_readings(self._known, "paused", reason), SourceFailed)
        if self._trouble is None:
            starting = told.without_readings(self._known, "starting", reason) if self._known.gpus else None
            return Told(number, status, starting, SourceFailed)
        failed = told.without_readings(self._known, "failed", reason) if self._known.gpus else None
        return Told(number, status, failed, self._trouble.error, self._trouble.since + self._limits.identity_kept_s)

    def _state(self) -> tuple[str, str]:
        """State and reason of the source."""
        if self._paused:
            held = f"; {self._stuck()}" if self.killed.abandoned else ""
            return "paused", self._paused + held
        if self._trouble is not None:
            blocked = self._current is None and len(self.killed.abandoned) >= self._limits.max_abandoned
            return ("abandoned", self._stuck()) if blocked else ("failed", self._trouble.text)
        child = self._current
        if child is None or child.sample is None:
            what = "the driver's library to initialise" if child is None or child.hello is None else "the first sample"
            return "starting", f"waits for {what}, {self._limits.start_s:g} s at most"
        return "ok", "" if self._known.gpus else "the driver lists no GPU"

    def _stuck(self) -> str:
        pids = [str(child.pid) for child in self.killed.abandoned]
        who = f"processes {', '.join(pids)} hang" if len(pids) > 1 else f"process {', '.join(pids)} hangs"
        return f"{who} in the driver and cannot be ended: reset the GPU, or restart the machine"
