"""Which network devices are as they were, by one dump of the kernel's links rather than a score of files for each.

What /sys/class/net says of a device is always read from there; netlink only tells when it must be read again.
"""

from __future__ import annotations

import os
import time
from typing import Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.link_attributes import Mark, hardware_address, parse_mark
from nodescope.kernel.netlink import Interrupted
from nodescope.kernel.rtnetlink import RouteSocket

DOUBT_SECONDS: Final = 60.0


class LinkWatch:
    """The marks of all links.

    They are of no use where `sysfs` shows other devices than those of this process's network namespace, or stored
    files; then, and where there is no netlink, there are none for `DOUBT_SECONDS`.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._route = RouteSocket()
        self._payloads: dict[bytes, tuple[bytes, Mark]] = {}
        self._doubted_until = float("-inf")
        self._made_by_kernel: bool | None = None

    def marks(self, sample: str) -> dict[str, Mark]:
        """Name of each link, as a directory lists it -> its mark; none where they are of no use.

        `sample`: path of one attribute of any device.
        """
        if self._made_by_kernel is None:
            self._made_by_kernel = self._is_made_by_kernel(sample)
        if not self._made_by_kernel or time.monotonic() < self._doubted_until:
            return {}
        try:
            messages = self._route.link_messages()
            payloads = {payload[4:8]: self._known(payload) for payload in messages}
        except (OSError, Malformed, Interrupted):
            self.doubt()
            return {}
        self._payloads = payloads
        return {os.fsdecode(mark.name): mark for _, mark in payloads.values()}

    def _known(self, payload: bytes) -> tuple[bytes, Mark]:
        before = self._payloads.get(payload[4:8])
        if before is not None and before[0] == payload:
            return before
        mark = parse_mark(payload)
        # A message may have changed in what is not shown, such as a bridge's timers.
        return payload, before[1] if before is not None and before[1] == mark else mark

    def doubt(self) -> None:
        """The marks are not those of the devices in sysfs."""
        self._doubted_until = time.monotonic() + DOUBT_SECONDS
        self._payloads = {}

    def _is_made_by_kernel(self, path: str) -> bool:
        """Whether a file is an attribute of the kernel's sysfs: it says that it is a page long, and holds less."""
        try:
            return os.stat(path).st_size > len(self._host.read_once(path))
        except (Absent, OSError):
            return False


def fits(mark: Mark, ifindex: int, address: str) -> bool:
    """Whether a mark is that of the device that says this of itself in sysfs."""
    return mark.ifindex == ifindex and hardware_address(mark.address) == address
