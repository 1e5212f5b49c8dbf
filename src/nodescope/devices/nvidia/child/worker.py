"""The thread of one GPU: it alone calls the driver about it, so that a call that hangs costs no other GPU anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final

from nodescope.devices.nvidia.child.calls import Calls, GpuLost
from nodescope.devices.nvidia.child.errors import (
    GPU_IS_LOST,
    INSUFFICIENT_POWER,
    INVALID_ARGUMENT,
    IRQ_ISSUE,
    NO_PERMISSION,
    OPERATING_SYSTEM,
    RESET_REQUIRED,
    SUCCESS,
    UNKNOWN,
    CallFailed,
    text_of,
)
from nodescope.devices.nvidia.child.gpu import Gpu, open_handle, report
from nodescope.devices.nvidia.child.identity import uuid as uuid_of
from nodescope.devices.nvidia.child.library import Library, unexpected
from nodescope.devices.nvidia.child.options import Options
from nodescope.devices.nvidia.child.peers import Peer

PROBE_SECONDS: Final = 10.0
"""Between two tries whether a GPU that was lost is there again."""

LEARN_AGAIN_SECONDS: Final = 60.0
LONGEST_LEARN_AGAIN_SECONDS: Final = 3600.0
"""What a GPU did not say of itself when it was opened is asked again, ever less often where it never does."""

DENIED_STATE: Final = "denied"
_WITHOUT_HANDLE: Final = {
    NO_PERMISSION: DENIED_STATE,
    OPERATING_SYSTEM: DENIED_STATE,
    RESET_REQUIRED: "reset_required",
    INSUFFICIENT_POWER: "failed",
    IRQ_ISSUE: "failed",
    UNKNOWN: "failed",
}
"""The state of a GPU that cannot be opened, by why; it is lost for any other reason."""

Values = dict[str, Any]


class Worker:
    """The GPU with index `index`. The main thread hands work over and reads the results when `busy` is false.

    `gpu`: the one that was last there; None while it was never opened. `unopened`: a dict of `frame.Unopened`, None
    where it was, and where the index is one too many. `report`: the newest. `version` counts how often
    it was opened. `failed`: what ends the whole process. `look`: look at once whether it is divided anew.
    """

    def __init__(
        self,
        index: int,
        library: Library,
        options: Options,
        exists: Callable[[int], bool],
        done: SimpleQueue[Worker],
        learn_again_s: float = LEARN_AGAIN_SECONDS,
    ) -> None:
        self.index = index
        self.gpu: Gpu | None = None
        self.unopened: Values | None = None
        self.report: Values | None = None
        self.version = 0
        self.failed: CallFailed | None = None
        self.busy = False
        self.look = False
        self.calls = Calls(library)
        self._library = library
        self._options = options
        self._exists = exists
        self._done = done
        self._probe_at = 0.0
        self._first_learn_again_s = self._learn_again_s = learn_again_s
        self._learn_again_at = float("inf")
        self._failures = 0
        self._gpus: Sequence[Peer] = ()
        self._work: Callable[[], None] | None = None
        self._wake = threading.Lock()
        self._wake.acquire()
        threading.Thread(target=self._run, name=f"gpu {index}", daemon=True).start()

    def open(self) -> None:
        """Hands over: open the GPU anew, and learn what it is."""
        self._hand(self._open)

    def read(self, gpus: Sequence[Peer]) -> None:
        """Hands over: read the GPU. `gpus`: those that answer."""
        self._gpus = gpus
        self._hand(self._read)

    def end(self) -> None:
        """Hands over: end the thread."""
        self._hand(None)

    def in_flight(self) -> tuple[str, float]:
        """The call that has not returned, "" if none, and for how many seconds."""
        name, since = self.calls.name, self.calls.since
        return (name, max(0.0, time.monotonic() - since)) if self.busy and name else ("", 0.0)

    def close(self) -> None:
        """Hands over: give back what the driver holds for the GPU. It is to be opened before it is read again."""
        self._hand(self._close)

    @property
    def is_open(self) -> bool:
        """Whether the GPU answered when it was last opened, and since."""
        return self.gpu is not None and not self._probe_at

    def _hand(self, work: Callable[[], None] | None) -> None:
        self._work = work
        self.busy = work is not None
        self._wake.release()

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            if self._work is None:
                return
            try:
                self._work()
            except GpuLost as error:
                self._lose(f"{error}: {text_of(GPU_IS_LOST)}")
            except CallFailed as failed:
                self.failed = failed
            except Exception as error:  # noqa: BLE001  whatever breaks this thread is told, and ends the process
                self.failed = unexpected(error, f"thread of GPU {self.index}")
            self.busy = False
            self._done.put(self)

    def _close(self) -> None:
        if self.gpu is not None:
            self.gpu.close()

    def _open(self) -> None:
        self.look = False
        self._close()
        self.calls = calls = Calls(self._library)
        code, handle = open_handle(calls, self.index)
        uuid = uuid_of(calls, handle) if code == SUCCESS else None
        if uuid is None:
            call = "nvmlDeviceGetUUID" if code == SUCCESS else "nvmlDeviceGetHandleByIndex_v2"
            state = _WITHOUT_HANDLE.get(code, "lost")
            self._lose(f"{call}: {text_of(code or UNKNOWN)}", state, code != INVALID_ARGUMENT)
            return
        self.unopened = None
        self.calls = calls = Calls(self._library, self._options.skip.get(uuid, frozenset()))
        gpu = Gpu(self._library, calls, handle, uuid, self.index, self._options, self.gpu)
        if self.gpu is None or self.gpu.uuid != uuid:
            # Should a call hang now, the parent is told whose it is.
            self.gpu, self.report = gpu, None
        gpu.learn(self._exists)
        self._probe_at = 0.0
        self._take(gpu, calls.failures)

    def _read(self) -> None:
        self.calls.begin()
        if not self.is_open:
            if time.monotonic() < self._probe_at:
                return
            self._open()
        elif self.gpu is not None and self.gpu.has_changed(self.look):
            self._open()
        elif self.gpu is not None and time.monotonic() >= self._learn_again_at:
            self._learn_again(self.gpu)
        if self.gpu is not None and self.is_open:
            self.look = False
            self.report = self.gpu.read(self._gpus)

    def _take(self, gpu: Gpu, failures: int) -> None:
        """`failures`: how much of what it is could not be learnt."""
        self.gpu = gpu
        self.version += 1
        self._failures = failures
        if not failures:
            self._learn_again_s = self._first_learn_again_s
        self._plan_to_learn_again()

    def _plan_to_learn_again(self) -> None:
        self._learn_again_at = time.monotonic() + self._learn_again_s if self._failures else float("inf")

    def _learn_again(self, known: Gpu) -> None:
        """Asks anew what the GPU is; where it says no more than before, all stays as it is known."""
        before = self.calls
        self.calls = calls = Calls(self._library, self._options.skip.get(known.uuid, frozenset()))
        gpu = Gpu(self._library, calls, known.handle, known.uuid, self.index, self._options, known)
        gpu.learn(self._exists)
        self._learn_again_s = min(2 * self._learn_again_s, LONGEST_LEARN_AGAIN_SECONDS)
        if calls.failures < self._failures:
            known.close()
            self._take(gpu, calls.failures)
        else:
            gpu.close()
            self.calls = before
            self._plan_to_learn_again()

    def _lose(self, reason: str, state: str = "lost", is_one: bool = True) -> None:
        """The GPU does not answer: it is tried again after a while, and keeps its identity. `is_one`: there is one."""
        self._probe_at = time.monotonic() + PROBE_SECONDS
        if self.gpu is None:
            self.unopened = {"index": self.index, "state": state, "reason": reason} if is_one else None
        if self.gpu is not None:
            self.report = report(self.gpu.uuid, state, reason, time.monotonic())
