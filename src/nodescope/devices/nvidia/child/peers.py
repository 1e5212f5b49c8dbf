"""Which other GPUs a GPU reaches over NVLink. Source: nvml.h, nvmlDeviceGetP2PStatus, `nvmlGpuP2PStatus_t`.

It is asked of each pair when a GPU is learnt or another one comes or goes, and then seldom: on machines with NVSwitch
it changes once the fabric manager is done. What one pair does not tell costs that pair alone.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import GPU_IS_LOST, INVALID_ARGUMENT, RESET_REQUIRED, SUCCESS, UNKNOWN

PEERS_SECONDS: Final = 60.0
CALL: Final = "nvmlDeviceGetP2PStatus"
OVER_NVLINK: Final = 2
"""NVML_P2P_CAPS_INDEX_NVLINK."""

OF_THE_OTHER: Final = frozenset({INVALID_ARGUMENT, GPU_IS_LOST, RESET_REQUIRED, UNKNOWN})
"""Answers that may be about the other GPU, and say nothing against the one that is asked."""

Peer = tuple[str, Any]
"""UUID and handle of a GPU."""


class Peers:
    """The other GPUs, as one GPU reaches them."""

    def __init__(self, calls: Calls, handle: Any, uuid: str) -> None:
        self._calls = calls
        self._handle = handle
        self._uuid = uuid
        self._asked: list[str] = []
        self._asked_at = float("-inf")
        self._statuses: dict[str, int] = {}

    def read(self, gpus: Sequence[Peer]) -> dict[str, int]:
        """UUID of each other GPU of `gpus` -> the driver's number. Raises `GpuLost`, `CallFailed`."""
        now = time.monotonic()
        uuids = [uuid for uuid, _ in gpus]
        if uuids != self._asked or now - self._asked_at >= PEERS_SECONDS:
            self._asked, self._asked_at = uuids, now
            statuses = {uuid: self._status(other) for uuid, other in gpus if uuid != self._uuid}
            self._statuses = {uuid: status for uuid, status in statuses.items() if status is not None}
        return self._statuses

    def _status(self, other: Any) -> int | None:
        status = ctypes.c_uint()
        code = self._calls.ask(CALL, self._handle, other, OVER_NVLINK, ctypes.byref(status), expected=OF_THE_OTHER)
        return status.value if code == SUCCESS else None
