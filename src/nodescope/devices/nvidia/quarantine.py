"""Calls of the driver's library that have hung, by GPU: they are left out, and tried again after a while."""

from __future__ import annotations

import re
from typing import Final

from nodescope.devices.nvidia.limits import doubled

ALL: Final = "*"
MAX_GPUS: Final = 128
MAX_UUID_CHARACTERS: Final = 96

_CALL: Final = re.compile(r"\w{1,96}", re.ASCII)

Skip = dict[str, tuple[str, ...]]
"""GPU's UUID -> calls not to make, `ALL` for every one: as `frame.Options.skip` has it."""


class _Held:
    """What is held back of one GPU. `calls`: all that ever hung since it was last forgotten, in order.

    `released`: they were tried again and did not hang.
    """

    __slots__ = ("calls", "released", "times", "until")

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.released = False
        self.times = 0
        self.until = 0.0


class Quarantine:
    """Which calls to leave out now.

    One call that hangs is left out alone; with a second one the GPU is left alone altogether. Each hang doubles the
    time until the next try. What has not hung again for `longest_s` after its time was over is forgotten.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._held: dict[str, _Held] = {}

    def hung(self, uuid: str, call: str, now: float) -> None:
        """`call` has not returned. A GPU or call whose name is none is bounded: it becomes an argument."""
        if len(uuid) > MAX_UUID_CHARACTERS or (uuid not in self._held and len(self._held) >= MAX_GPUS):
            return
        held = self._held.setdefault(uuid, _Held())
        call = call if _CALL.fullmatch(call) else ALL
        if call not in held.calls and len(held.calls) < 2:
            held.calls.append(call)
        held.released = False
        held.times += 1
        held.until = now + doubled(self._first_s, self._longest_s, held.times)

    def skip(self, now: float, try_again: bool = True) -> Skip:
        """What to leave out now. Without `try_again` also that whose time is over."""
        return {
            uuid: (ALL,) if len(held.calls) > 1 else (held.calls[0],)
            for uuid, held in self._held.items()
            if not held.released and (now < held.until or not try_again)
        }

    def went_well(self, skip: Skip, now: float) -> None:
        """A child that left out only `skip` has answered for every GPU."""
        for uuid, held in list(self._held.items()):
            if uuid not in skip:
                held.released = True
                if now >= held.until + self._longest_s:
                    del self._held[uuid]

    def calls(self, uuid: str) -> tuple[str, ...]:
        """Those of a GPU that hung."""
        held = self._held.get(uuid)
        return tuple(held.calls) if held else ()

    def clear(self) -> None:
        self._held.clear()
