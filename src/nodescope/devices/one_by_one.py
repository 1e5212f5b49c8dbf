"""Reads devices one after the other, and goes on when one of them hangs.

A read of sysfs can stay in the kernel for as long as a driver or a bus does not answer, and cannot be called back. The
thread in it is left behind; its device is not asked again until that thread has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from nodescope.devices.rounds import Rounds

PATIENCE_S: Final = 2.0

T = TypeVar("T")


class OneByOne(Generic[T]):
    """`read` gives what is known of a device by its name; where it raises, its device has no answer.

    `each` starts one thread, and one more for each device that takes longer than `patience_s`. For one caller at
    a time.
    """

    def __init__(self, read: Callable[[str], T], patience_s: float = PATIENCE_S) -> None:
        self._read = read
        self._rounds = Rounds("device", self._turn, patience_s)
        self._found: dict[str, T] = {}

    @property
    def stuck(self) -> tuple[str, ...]:
        """The devices that did not answer and are not asked until they do."""
        return tuple(self._rounds.stuck())

    def each(self, names: Iterable[str]) -> dict[str, T]:
        """The answers by name, in order; a device without one is left out."""
        wanted = tuple(names)
        found: dict[str, T] = {}
        self._found = found
        self._rounds.run(wanted)
        # One that was late may still be adding its answer.
        answers = dict(found)
        return {name: answers[name] for name in wanted if name in answers}

    def _turn(self, name: str) -> None:
        # That of the round in which the read began: a late answer is nobody's.
        found = self._found
        found[name] = self._read(name)
