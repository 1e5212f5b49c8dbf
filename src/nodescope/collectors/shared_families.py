"""Metrics that two collectors would both show on one listener, where each series can be there but once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nodescope.collector import Collector
from nodescope.settings import Settings, SettingsError
from nodescope.settings.host import HOST

LEFT_TO: Final[Mapping[str, tuple[str, ...]]] = {"epic": ("netdev", "loadavg")}
"""Collector -> those whose names it has too, and leaves to them on a listener that has both."""


def hidden(names: Sequence[str], collectors: Mapping[str, Collector]) -> dict[str, frozenset[str]]:
    """Of the collectors `names` on one listener, those that leave families to others there, and which, by name."""
    found = {}
    for name in LEFT_TO.keys() & names:
        others = {metric.name for other in LEFT_TO[name] if other in names for metric in collectors[other].metrics}
        found[name] = others.intersection(metric.name for metric in collectors[name].metrics)
    return {name: frozenset(families) for name, families in found.items() if families}


def check(wanted: Mapping[str, Sequence[str]], collectors: Mapping[str, Collector], settings: Settings) -> None:
    """Raises `SettingsError` for the first family that two collectors of one listener share.

    `wanted`: for each listener (by any key) the collectors that are on. The collectors of the host are one dialect:
    what two of them show under one name is the same.
    """
    for names in wanted.values():
        problem = shared(names, collectors)
        if problem:
            raise SettingsError(f"{settings.origin('listeners')}: {problem}")


def shared(names: Sequence[str], collectors: Mapping[str, Collector]) -> str:
    """Which family two of the collectors would share and what to do, in one sentence, or nothing."""
    host = {collects.name for collects in HOST}
    owners: dict[str, str] = {}
    for name in names:
        for metric in collectors[name].metrics:
            owner = owners.setdefault(metric.name, name)
            if owner != name and not {owner, name} <= host:
                return (
                    f"collectors {owner} and {name} would both show {metric.name} on one listener, expected one of "
                    "them: switch one off, or give it a listener of its own under `listeners`"
                )
    return ""
