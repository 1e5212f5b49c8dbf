"""What the driver tells by itself: XIDs, and that a GPU was divided anew. Source: nvml.h, "Event Handling Methods".

XIDs 62, 79, 119 and 120 may never arrive here: the parent reads the kernel's log too.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.errors import GPU_IS_LOST, NOT_NVML, SUCCESS, TIMEOUT, UNKNOWN, CallFailed
from nodescope.devices.nvidia.child.frames import Frame, FrameWriter, xid
from nodescope.devices.nvidia.child.library import Library, text_in

WAIT_MS: Final = 1000
STOP_SECONDS: Final = 3.0
ASK_SECONDS: Final = 3.0
"""How long one GPU may take to say which events it has, before it is left out of them."""

BATCH: Final = 512
"""Frames written at once when XIDs come in a storm."""

MAX_FAILURES: Final = 10
"""Waits that fail, one after the other and a second apart, before events are given up."""

XID_EVENT: Final = 0x8
MIG_EVENT: Final = 0x100
WANTED: Final = 0x1 | 0x2 | XID_EVENT | MIG_EVENT
WHOLE_GPU: Final = 0xFFFFFFFF
UUID_BYTES: Final = 96
WAIT_CALL: Final = "nvmlEventSetWait_v2"


class Events:
    """The events of some GPUs, asked for and waited for in a thread of their own, which ends where no GPU has any.

    `divided`: called with the UUID of a GPU whose partition has changed. `unknown`: the UUID of the GPU at whose
    registration the driver answered UNKNOWN, "" where there was none.
    """

    def __init__(
        self,
        library: Library,
        writer: FrameWriter,
        gpus: Iterable[tuple[Any, str]],
        divided: Callable[[str], None],
    ) -> None:
        self._library = library
        self._writer = writer
        self._divided = divided
        self._gpus = tuple(gpus)
        self._uuids = {_address(handle): uuid for handle, uuid in self._gpus}
        self._stop = False
        self._set: Any = None
        self._asking: tuple[str, float] = ("", 0.0)
        self._failed = False
        self.unknown = ""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    @property
    def hung(self) -> str:
        """The UUID of the GPU whose events were asked for and which has not answered in time, "" where none."""
        uuid, since = self._asking
        return uuid if uuid and time.monotonic() - since > ASK_SECONDS else ""

    @property
    def given_up(self) -> bool:
        """Whether its thread has ended because the driver failed, so that there are no events any more."""
        return self.ended and self._failed

    @property
    def ended(self) -> bool:
        """Whether its thread has come to its end."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Leaves the thread behind; it ends when the driver lets it."""
        self._stop = True

    def stop(self) -> None:
        """Ends the thread and frees the set. Raises `CallFailed` where the driver does not let it end."""
        self._stop = True
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise CallFailed(WAIT_CALL, NOT_NVML, f"has not returned for {STOP_SECONDS:g} s")

    def _registered(self) -> Any:
        """The set with the events of all GPUs; None where there are none."""
        events = pynvml.c_nvmlEventSet_t()
        if self._library.call("nvmlEventSetCreate", ctypes.byref(events)) != SUCCESS:
            return None
        some = False
        for handle, uuid in self._gpus:
            if self._stop:
                some = False
                break
            self._asking = (uuid, time.monotonic())
            offered = ctypes.c_ulonglong()
            code = self._library.call("nvmlDeviceGetSupportedEventTypes", handle, ctypes.byref(offered))
            types = offered.value & WANTED if code == SUCCESS else 0
            if not types:
                continue
            code = self._library.call("nvmlDeviceRegisterEvents", handle, ctypes.c_ulonglong(types), events)
            if code == UNKNOWN:
                # The set is in no state to be used further.
                self._failed, self.unknown = True, uuid
                some = False
                break
            some = some or code == SUCCESS
        self._asking = ("", 0.0)
        if not some:
            self._library.call("nvmlEventSetFree", events)
            return None
        return events

    def _run(self) -> None:
        self._set = self._registered()
        if self._set is None:
            return
        failures = 0
        while not self._stop and failures < MAX_FAILURES:
            frames: list[Frame] = []
            code = self._wait(WAIT_MS, frames)
            while code == SUCCESS and len(frames) < BATCH:
                code = self._wait(0, frames)
            if frames:
                self._writer.write(*frames)
            failures = failures + 1 if code not in (SUCCESS, TIMEOUT) else 0
            if code == GPU_IS_LOST:
                # While it is in the set no other GPU's events come.
                break
            if failures:
                time.sleep(WAIT_MS / 1000)
        self._failed = not self._stop
        self._library.call("nvmlEventSetFree", self._set)

    def _wait(self, milliseconds: int, frames: list[Frame]) -> int:
        """NVML's return code; an event that came is put into `frames`."""
        event = pynvml.c_nvmlEventData_t()
        code = self._library.call(WAIT_CALL, self._set, ctypes.byref(event), ctypes.c_uint(milliseconds))
        if code == SUCCESS:
            uuid = self._uuid(event.device)
            if event.eventType & MIG_EVENT:
                self._divided(uuid)
            if event.eventType & XID_EVENT:
                ids = (event.gpuInstanceId, event.computeInstanceId)
                frames.append(
                    xid(uuid, event.eventData, time.time(), *(None if each == WHOLE_GPU else each for each in ids))
                )
        return code

    def _uuid(self, device: Any) -> str:
        """Whose event it is; asked of the driver where the handle is not one of those that were registered."""
        uuid = self._uuids.get(_address(device))
        if uuid is None:
            buffer = ctypes.create_string_buffer(UUID_BYTES)
            code = self._library.call("nvmlDeviceGetUUID", device, buffer, UUID_BYTES)
            uuid = (text_in(buffer) if code == SUCCESS else None) or ""
        return uuid


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0
