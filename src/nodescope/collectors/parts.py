"""What collectors are built from, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from nodescope.collectors.joined import Joined, Loop
from nodescope.host import Host
from nodescope.settings import Settings

Publish = Callable[[str, str, Mapping[str, str]], object]
"""Puts an event on the bus: kind, subject, attributes."""


class Kept(Protocol):
    """What outlives a reload of the settings, and ends with the agent."""

    def close(self) -> None: ...


def unheard(kind: str, subject: str, attributes: Mapping[str, str]) -> None:
    """Takes events where there is no bus."""


class Surroundings(NamedTuple):
    """What the agent gives to all that it measures: where events go, what is `kept` over reloads, by name, whether it
    `keeps_state` over restarts, and, where GPUs are simulated, what tells their child which."""

    publish: Publish
    kept: dict[str, Kept]
    simulated_gpus: dict[str, object] | None = None
    keeps_state: bool = False

    def end(self) -> None:
        """Ends what is kept."""
        while self.kept:
            _, kept = self.kept.popitem()
            kept.close()


class Parts:
    """One set of settings' host, its surroundings, and its samplers, each built when a collector first asks for it."""

    def __init__(self, host: Host, settings: Settings, surroundings: Surroundings | None = None) -> None:
        self.host = host
        self.settings = settings
        self.surroundings = surroundings or Surroundings(unheard, {})
        self.loops: dict[str, Loop] = {}
        self._joined: dict[tuple[str, ...], Joined] = {}

    @property
    def publish(self) -> Publish:
        return self.surroundings.publish

    def loop(self, modules: tuple[str, ...]) -> Loop:
        """What all `modules` sample, each in the loop that it builds (`loop(parts)`): one, however many collectors show
        it."""
        shown = [self._loop(module) for module in modules]
        if len(shown) == 1:
            return shown[0]
        if modules not in self._joined:
            self._joined[modules] = Joined(shown)
        return self._joined[modules]

    def _loop(self, module: str) -> Loop:
        if module not in self.loops:
            source: Any = import_module(module)
            self.loops[module] = source.loop(self)
        return self.loops[module]
