"""What is remembered over reloads of the settings: one for the life of the agent, whatever is built anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from nodescope.collectors.parts import Kept, Parts

T = TypeVar("T", bound=Kept)


def over_reloads(parts: Parts, name: str, make: Callable[[], T]) -> T:
    """What `make` gave when this name was first asked for on this host: another root is another machine."""
    kept, name = parts.surroundings.kept, f"{name} of {parts.host.procfs} and {parts.host.sysfs}"
    if name not in kept:
        kept[name] = make()
    return cast(T, kept[name])
