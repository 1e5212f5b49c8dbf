"""Compares a GPU with the others of its model on the node that do the same at the same time.

At least `LEAST_SIBLINGS` others must be busy. A GPU is told apart only where it is far outside of what they scatter,
and hardly any other is like it: half a node with another job is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.health.history import SELDOM, SIMILAR_CLOCK, SIMILAR_PERCENT, Recent, deficit_percent
from nodescope.health.trend import is_outlier, median

LEAST_SIBLINGS: Final = 4
MOST_ALIKE: Final = 0.25
"""The share of siblings that may be like a GPU that is told apart."""

ALIKE: Final = 0.05
SAME_POWER: Final = 0.95


class Peer(NamedTuple):
    """A GPU that was busy for the last ten minutes. `limit`: its power limit in milliwatts, if known."""

    uuid: str
    model: str | None
    limit: int | None
    recent: Recent


def compared(peers: Sequence[Peer]) -> dict[str, dict[str, float]]:
    """Inputs of rules for each GPU that has enough siblings, by UUID."""
    found: dict[str, dict[str, float]] = {}
    for peer in peers:
        others = [other for other in peers if other.model == peer.model and other.uuid != peer.uuid]
        if len(others) >= LEAST_SIBLINGS:
            inputs = {"siblings": len(others), **_clock(peer, others), **_power(peer, others)}
            found[peer.uuid] = {name: value for name, value in inputs.items() if value is not None}
    return found


def own_trend(derived: Mapping[str, float], siblings: Mapping[str, float]) -> dict[str, float]:
    """What a GPU's own history says, less what its siblings explain.

    With siblings to compare, a clock below its own usual one says nothing (all may have been given another), and power
    beside its own usual one only where it is beside theirs too.
    """
    kept = dict(derived)
    if "siblings" in siblings:
        kept.pop("clock_baseline_deficit_percent", None)
        if "power_siblings_watts" in siblings and "power_siblings_deviation_percent" not in siblings:
            kept.pop("power_deviation_percent", None)
    return kept


def _clock(peer: Peer, others: Sequence[Peer]) -> dict[str, float | None]:
    """A lower power limit or a setting explains a lower clock; being at the limit does where the others take less."""
    clocks = [other.recent.clock for other in others]
    usual, power = median(clocks), median(other.recent.power for other in others)
    found: dict[str, float | None] = {
        "clock_siblings_megahertz": usual,
        "power_siblings_watts": None if power is None else power / 1000,
    }
    lower_limit = peer.limit is not None and any(
        other.limit is not None and other.limit > peer.limit for other in others
    )
    at_its_limit = peer.recent.capped > SELDOM and not (power is not None and power >= SAME_POWER * peer.recent.power)
    if lower_limit or at_its_limit or peer.recent.set_ > SELDOM or not _alone(peer.recent.clock, clocks):
        return found
    return {**found, "clock_siblings_deficit_percent": deficit_percent(peer.recent.clock, usual)}


def _power(peer: Peer, others: Sequence[Peer]) -> dict[str, float | None]:
    alike = [other.recent.power for other in others if _same_load(peer.recent, other.recent)]
    if len(alike) < LEAST_SIBLINGS or not _alone(peer.recent.power, alike):
        return {}
    return {"power_siblings_deviation_percent": deficit_percent(peer.recent.power, median(alike))}


def _same_load(one: Recent, other: Recent) -> bool:
    return (
        not abs(one.memory_utilization - other.memory_utilization) > SIMILAR_PERCENT
        and abs(one.clock - other.clock) <= SIMILAR_CLOCK * one.clock
    )


def _alone(value: float, others: Sequence[float]) -> bool:
    alike = sum(abs(other - value) <= ALIKE * value for other in others)
    return alike <= MOST_ALIKE * len(others) and is_outlier(value, others)
