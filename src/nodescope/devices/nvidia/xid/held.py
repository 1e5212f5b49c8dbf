"""Events of XIDs that wait for the kernel's line, which alone says how bad they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from nodescope.devices.nvidia.xid.events import Message
from nodescope.devices.nvidia.xid.match import Key

HELD_S: Final = 2.0
"""The kernel's line is there before or just after the library's event."""

MAX_HELD: Final = 128
"""Beyond it events are told at once, as bad as the catalogue has them."""


class HeldEvents:
    """What the library told, the oldest first. Not for two threads at once."""

    def __init__(self) -> None:
        self._held: list[tuple[float, Key, Message]] = []

    def hold(self, key: Key, subject: str, attributes: Mapping[str, str], now: float) -> bool:
        """False where there is no room for it."""
        if len(self._held) >= MAX_HELD:
            return False
        self._held.append((now, key, Message(subject, attributes)))
        return True

    def release(self, key: Key) -> bool:
        """Drops the oldest of this GPU and XID, of which the kernel has told; whether there was one."""
        place = next((place for place, (_, held, _) in enumerate(self._held) if held == key), None)
        if place is not None:
            del self._held[place]
        return place is not None

    def over(self, now: float, force: bool = False) -> Iterable[tuple[Key, Message]]:
        """Takes out those that have waited long enough. `force`: all."""
        # A clock that was set back must not keep them for long.
        before, self._held = self._held, []
        over = []
        for since, key, message in before:
            if force or not 0 <= now - since < HELD_S:
                over.append((key, message))
            else:
                self._held.append((since, key, message))
        return over
