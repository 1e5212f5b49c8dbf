"""The GPU child as a process of ours: what it has said, and what is wrong with it."""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from nodescope import command
from nodescope.devices.nvidia.frame import Failure, Frame, Hello, Inventory, Options, Sample, Xid
from nodescope.devices.nvidia.frame_reader import FrameReader
from nodescope.devices.nvidia.limits import Limits
from nodescope.devices.nvidia.quarantine import Skip
from nodescope.host import Malformed
from nodescope.kernel.printable import printable

READS_A_TURN: Final = 64
"""How many times one child is read, 64 KiB each, before others have their turn."""
STATUS_WAIT_S: Final = 0.2
GROWTH: Final = 2
"""So many times what it took at first a child may take: on a node of many GPUs one that is well may be large."""
MAX_STATM_BYTES: Final = 256
MAX_TEXT_CHARACTERS: Final = 200
MAX_NOTED: Final = 1024

_ADVICE: Final = {
    4: "run as root, or give the service user access to /dev/nvidia*",
    9: "load the driver (modprobe nvidia)",
    12: "install the driver's library (libnvidia-ml.so.1)",
    15: "reset the GPU that is lost, or restart the machine",
    16: "reset the GPU",
    18: "the kernel module and the library are of different versions: load the new module, or restart the machine",
    999: "look into the kernel's log; in a container the device nodes may have been taken away",
}
"""What to do, by NVML's return code."""


class Fault(NamedTuple):
    """Why a child is of no more use. `hung`: a call that concerns all GPUs did not return."""

    text: str
    hung: bool = False
    code: int = 0
    no_library: bool = False


class ChildProcess:
    """One GPU child, from its start until it is reaped. For one thread.

    `number` counts children; `skip` is what this one leaves out; `noted`: which of its calls are known to hang.
    Times are of the supervisor's clock, in seconds.
    """

    def __init__(self, process: command.Child, number: int, skip: Skip, now: float) -> None:
        self.process = process
        self.number = number
        self.skip = skip
        self.started_at = now
        self.sampled_at = now
        self.samples = 0
        self.hello: Hello | None = None
        self.inventory: Inventory | None = None
        self.sample: Sample | None = None
        self.failure: Failure | None = None
        self.noted: set[tuple[str, str]] = set()
        self._broken = ""
        self._ended_at: float | None = None
        self._weighed_at = float("-inf")
        self._first_bytes = 0
        self._complaints = bytearray()
        self._reader = FrameReader(f"GPU child, process {process.pid}")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_read(self) -> bool:
        """Whether its output has ended, and all of it is read: its exit status is due."""
        return self._ended_at is not None

    def descriptors(self) -> list[int]:
        """Those to poll for input: not that of its complaints, with which it could keep us busy."""
        return [self.process.stdout_fd] if self.process.stdout_fd >= 0 else []

    def read(self, now: float) -> list[Xid]:
        """Takes what it has written, and gives the XIDs among it."""
        self._read_complaints()
        xids: list[Xid] = []
        for _ in range(READS_A_TURN):
            data = command.read_available(self.process.stdout_fd) if self.process.stdout_fd >= 0 else None
            if data is None:
                break
            if not data:
                self._ended_at = now
                self.process.close_one("stdout_fd")
                break
            if self._broken:
                continue
            try:
                for frame in self._reader.frames(data):
                    self._take(frame, now, xids)
            except Malformed as error:
                self._broken = str(error)
        return xids

    def answers_for_all(self, call_limit_s: float) -> bool:
        """Whether its newest sample has something to say of each GPU, be it that it does not answer."""
        if self.sample is None or self.inventory is None:
            return False
        said = {
            report.uuid
            for report in self.sample.reports
            if report.sampled_monotonic_seconds > 0 or report.state != "ok" or report.busy_seconds >= call_limit_s
        }
        return said >= {gpu.uuid for gpu in self.inventory.gpus}

    def fault(self, now: float, limits: Limits, interval_s: float) -> Fault | None:
        """What is wrong with it, if anything is."""
        if self.failure is not None:
            return _failed(self.failure)
        if self._broken:
            return Fault(self._broken)
        if self._ended_at is not None:
            return self._end(now)
        if self.sample is None:
            if now - self.started_at >= limits.start_s:
                what = "the driver's library to initialise" if self.hello is None else "the first sample"
                return Fault(f"waited {limits.start_s:g} s for {what} in vain: the driver hangs", hung=True)
            return None
        silence_s = limits.silence_s(interval_s)
        if now - self.sampled_at >= silence_s:
            return Fault(f"no sample for {silence_s:g} s: a call that concerns all GPUs hangs in the driver", hung=True)
        return None

    def note(self, call: tuple[str, str]) -> bool:
        """Whether it was not known that this call (GPU's UUID, name) hangs. It is known from now on."""
        if call in self.noted or len(self.noted) >= MAX_NOTED:
            return False
        self.noted.add(call)
        return True

    def has_grown(self, now: float, limits: Limits) -> bool:
        """Whether it has lived for long and takes more memory than it may, and far more than at first."""
        if now < self._weighed_at + limits.memory_look_s:
            return False
        self._weighed_at = now
        resident = _resident_bytes(self.pid)
        self._first_bytes = self._first_bytes or resident
        most = max(limits.child_bytes, GROWTH * self._first_bytes)
        return resident > most and now >= self.started_at + limits.least_life_s

    def kill(self) -> None:
        self.process.kill()

    def _take(self, frame: Frame, now: float, xids: list[Xid]) -> None:
        if isinstance(frame, Sample):
            if self.inventory is None:
                self._broken = f"GPU child, process {self.pid}: expected an inventory before the first sample"
            self.sample, self.sampled_at = frame, now
            self.samples += 1
        elif isinstance(frame, Xid):
            xids.append(frame)
        elif isinstance(frame, Inventory):
            self.inventory = frame
        elif isinstance(frame, Hello):
            self.hello = frame
        else:
            self.failure = frame

    def _read_complaints(self) -> None:
        for _ in range(READS_A_TURN):
            data = command.read_available(self.process.stderr_fd) if self.process.stderr_fd >= 0 else None
            if data is None:
                return
            if not data:
                self.process.close_one("stderr_fd")
                return
            self._complaints += data
            del self._complaints[: -command.MAX_ERROR_BYTES]

    def _end(self, now: float) -> Fault | None:
        """Why its output ended; None while its exit status may still come."""
        said = command.said(bytes(self._complaints))
        if self.process.reap():
            status = self.process.status
            if status is None:
                return Fault(f"the GPU child has ended{said}")
            how = f"by {command.signal_name(-status)}" if status < 0 else f"with status {status}"
            return Fault(f"the GPU child has ended {how}{said}")
        if now - (self._ended_at or 0.0) < STATUS_WAIT_S:
            return None
        return Fault(f"the GPU child has closed its output{said}")


def start(
    argv: Sequence[str], options: Options, env: Mapping[str, str] | None, number: int, skip: Skip, now: float
) -> ChildProcess:
    """Starts a child that leaves out `skip`. Raises `CommandFailed`."""
    told = msgspec.json.encode(msgspec.structs.replace(options, skip=skip)).decode()
    return ChildProcess(command.start([*argv, told], env), number, skip, now)


def _resident_bytes(pid: int) -> int:
    """Of a process of ours; 0 where nobody tells. Source: proc(5), /proc/PID/statm."""
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read(MAX_STATM_BYTES).split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _failed(failure: Failure) -> Fault:
    advice = _ADVICE.get(failure.code, "")
    call, said = (printable(one[:MAX_TEXT_CHARACTERS]) for one in (failure.call, failure.text))
    text = f"{call} failed: {said} (NVML error {failure.code})"
    return Fault(f"{text}: {advice}" if advice else text, code=failure.code, no_library=failure.no_library)
