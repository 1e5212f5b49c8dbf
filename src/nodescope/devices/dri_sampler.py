"""Samples which DRM nodes belong to which device."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from nodescope.devices.dri_map import dri_devices
from nodescope.host import Host

INTERVAL_S: Final = 15.0


class DriSampler:
    """The DRI mapping of the host.

    *Source*: /dev/dri/by-path and sysfs; nothing is opened. *Absent when*: never; a machine without DRM has no devices.
    *Cost*: a few links to read for each device.
    """

    name: ClassVar[str] = "dri"
    interval_s: float = INTERVAL_S
    rest_s: float = INTERVAL_S
    demand_wait_s: float = 0.0

    def __init__(self, host: Host) -> None:
        self._host = host

    def sample(self) -> tuple[Any, ...]:
        return dri_devices(self._host)
