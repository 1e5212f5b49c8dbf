"""What is remembered over reloads of the settings: one for the life of the agent, whatever is built anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from nodescope.collectors.parts import Kept, Parts

T = TypeVar("T", bound=Kept)


def over_reloads(parts: Parts, name: str, make: Callable[[], T]) -> T:
    """What `make` gave when this name was first asked for."""
    kept = parts.surroundings.kept
    if name not in kept:
        kept[name] = make()
    return cast(T, kept[name])


def of_machine(parts: Parts, name: str, make: Callable[[], T]) -> T:
    """As `over_reloads`, of what is known of a machine: another root is another machine."""
    return over_reloads(parts, f"{name} of {parts.host.procfs} and {parts.host.sysfs}", make)
