"""Names of network devices by the index that the kernel gives in messages."""

from __future__ import annotations

import os
import socket
import time
from typing import Final

from nodescope.host import text
from nodescope.kernel.link_news import LinkNews

NAMES_SECONDS: Final = 10.0
MAX_REMEMBERED: Final = 65_536


class DeviceNames:
    """Index -> name, remembered for `NAMES_SECONDS` or until a device changes; None for one that is gone.

    Source: netdevice(7).
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._until = 0.0
        self._news = LinkNews()

    def refresh(self) -> None:
        """To be called before a run of `name_of`."""
        now = time.monotonic()
        if self._news.there_are() or now >= self._until or len(self._names) >= MAX_REMEMBERED:
            self._names, self._until = {}, now + NAMES_SECONDS

    def name_of(self, index: int) -> str | None:
        name = self._names.get(index)
        if name is None:
            try:
                name = text(os.fsencode(socket.if_indextoname(index)))
            except (OSError, OverflowError):
                return None
            self._names[index] = name
        return name
