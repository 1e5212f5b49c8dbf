"""The GTs of an Intel GPU: clocks, how long each was idle, why it is held down.

A GT is a part of a GPU with a clock and a power state of its own: a tile of a Max, the media part of newer ones.

*Source*: i915: CARD/gt/gtN/rps_*_freq_mhz, rc6_residency_ms, throttle_reason_* (drivers/gpu/drm/i915/gt/
intel_gt_sysfs_pm.c), and before Linux 5.18 CARD/gt_*_freq_mhz, power/rc6_residency_ms. xe: DEVICE/tileN/gtN/freq0,
gtidle, freq0/throttle (xe_gt_freq.c, xe_gt_idle.c, xe_gt_throttle.c). *Units*: MHz, ms. The clock of a GT that sleeps
is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from nodescope.devices.intel.attributes import Attributes

MAX_GTS: Final = 16
MAX_REASONS: Final = 32
LEAST_SECONDS: Final = 0.05
"""Over less than this a change of a counter says nothing."""

_GT: Final = re.compile("gt([0-9]{1,2})")
_TILE: Final = re.compile("tile[0-9]{1,2}")
_REASON: Final = re.compile("(?:throttle_)?reason_([a-z0-9_]{1,32})")
_MEDIA: Final = b"-mc"
_STATUS: Final = "status"


class Gt(NamedTuple):
    """Where what of a GT is; empty where the driver does not tell it. `media`: it decodes and encodes video, no more.

    `throttled`: whether any reason holds at all. `reasons`: name -> path.
    """

    name: str
    media: bool
    actual: str
    requested: str
    maximum: str
    memory_maximum: str
    residency: str
    throttled: str
    reasons: dict[str, str]


class GtReading(NamedTuple):
    """What a GT reads. `reasons`: whether each holds its clock down. `idle_ms`: a counter."""

    gt: Gt
    actual: int | None
    requested: int | None
    idle_ms: int | None
    reasons: dict[str, bool]


def find_i915(attributes: Attributes, card: str) -> tuple[Gt, ...]:
    """Those of a DRM card of i915; before it told them apart, one that stands for all."""
    numbered = _numbered(attributes.names(f"{card}/gt"))
    found = tuple(_i915(attributes, f"{card}/gt/{name}", name) for name in numbered)
    return found or (_i915_whole(attributes, card),)


def find_xe(attributes: Attributes, device: str) -> tuple[Gt, ...]:
    """Those of a PCI device of xe."""
    found: list[Gt] = []
    for tile in tiles(attributes, device):
        folder = f"{device}/{tile}"
        found += [_xe(attributes, folder, name) for name in _numbered(attributes.names(folder))]
    return tuple(found[:MAX_GTS])


def tiles(attributes: Attributes, device: str) -> list[str]:
    """Names of the folders of a GPU's tiles, which xe has."""
    return [name for name in attributes.names(device) if _TILE.fullmatch(name)][:MAX_GTS]


def _numbered(names: Iterable[str]) -> list[str]:
    return sorted((name for name in names if _GT.fullmatch(name)), key=lambda name: int(name[2:]))[:MAX_GTS]


def _i915(attributes: Attributes, folder: str, name: str) -> Gt:
    names = attributes.names(folder)
    reasons = _reasons(folder, names)
    return Gt(
        name=name,
        media=False,
        actual=_there(folder, names, "rps_act_freq_mhz"),
        requested=_there(folder, names, "rps_cur_freq_mhz"),
        maximum=_there(folder, names, "rps_RP0_freq_mhz"),
        memory_maximum=_there(folder, names, "mem_RP0_freq_mhz"),
        residency=_there(folder, names, "rc6_residency_ms"),
        throttled=reasons.pop(_STATUS, ""),
        reasons=reasons,
    )


def _i915_whole(attributes: Attributes, card: str) -> Gt:
    names = attributes.names(card)
    power = attributes.names(f"{card}/power")
    return Gt(
        name="gt0",
        media=False,
        actual=_there(card, names, "gt_act_freq_mhz"),
        requested=_there(card, names, "gt_cur_freq_mhz"),
        maximum=_there(card, names, "gt_RP0_freq_mhz"),
        memory_maximum="",
        residency=_there(f"{card}/power", power, "rc6_residency_ms"),
        throttled="",
        reasons={},
    )


def _xe(attributes: Attributes, tile: str, name: str) -> Gt:
    folder = f"{tile}/{name}"
    clocks, idle = attributes.names(f"{folder}/freq0"), attributes.names(f"{folder}/gtidle")
    reasons = _reasons(f"{folder}/freq0/throttle", attributes.names(f"{folder}/freq0/throttle"))
    status = f"{folder}/freq0/throttle/{_STATUS}" if reasons else ""
    kind = attributes.seldom(f"{folder}/gtidle/name") if "name" in idle else None
    return Gt(
        name=name,
        media=bool(kind and kind.endswith(_MEDIA)),
        actual=_there(f"{folder}/freq0", clocks, "act_freq"),
        requested=_there(f"{folder}/freq0", clocks, "cur_freq"),
        maximum=_there(f"{folder}/freq0", clocks, "rp0_freq"),
        memory_maximum=_there(f"{tile}/memory/freq0", attributes.names(f"{tile}/memory/freq0"), "max_freq"),
        residency=_there(f"{folder}/gtidle", idle, "idle_residency_ms"),
        throttled=status,
        reasons=reasons,
    )


def _reasons(folder: str, names: Sequence[str]) -> dict[str, str]:
    matches = [match for name in names if (match := _REASON.fullmatch(name))]
    return {match[1]: f"{folder}/{match[0]}" for match in matches[:MAX_REASONS]}


def _there(folder: str, names: Sequence[str], name: str) -> str:
    return f"{folder}/{name}" if name in names else ""


def read(attributes: Attributes, gt: Gt) -> GtReading:
    """All of a GT that changes."""
    actual, requested, idle_ms = (
        attributes.number(path) if path else None for path in (gt.actual, gt.requested, gt.residency)
    )
    return GtReading(gt, actual, requested, idle_ms, _held_by(attributes, gt))


def _held_by(attributes: Attributes, gt: Gt) -> dict[str, bool]:
    """Where none holds, one file says so of all."""
    if gt.throttled and attributes.number(gt.throttled) == 0:
        return dict.fromkeys(gt.reasons, False)
    told = ((name, attributes.number(path)) for name, path in gt.reasons.items())
    return {name: value != 0 for name, value in told if value is not None}


def clocks(readings: Sequence[GtReading]) -> dict[str, Any]:
    """Fields of a `GpuReading`: of several GTs of one kind the fastest; each one's in `driver_fields`."""
    graphics = [one.actual for one in readings if not one.gt.media and one.actual is not None]
    media = [one.actual for one in readings if one.gt.media and one.actual is not None]
    found: dict[str, Any] = {}
    if graphics:
        found["clock_graphics_megahertz"] = max(graphics)
    if media:
        found["clock_video_megahertz"] = max(media)
    return found


def greatest_clocks(attributes: Attributes, gts: Sequence[Gt]) -> dict[str, Any]:
    """Fields of a `GpuReading` that never change: how fast the clocks can be."""
    found: dict[str, Any] = {}
    for gt in gts:
        graphics = "clock_max_video_megahertz" if gt.media else "clock_max_graphics_megahertz"
        for field, path in ((graphics, gt.maximum), ("clock_max_memory_megahertz", gt.memory_maximum)):
            value = attributes.number(path, attributes.seldom) if path else None
            if value:
                found[field] = max(value, found.get(field, 0))
    return found


def driver_fields(readings: Sequence[GtReading]) -> dict[str, int | float]:
    """What has no field of its own: clocks of each GT, and whether each reason holds any GT's clock down."""
    found: dict[str, int | float] = {}
    for one in readings:
        for name, value in (("actual", one.actual), ("requested", one.requested)):
            if value is not None:
                found[f"{one.gt.name}_{name}_clock_megahertz"] = value
        for reason, holds in one.reasons.items():
            key = f"throttle_reason_{reason}"
            found[key] = int(holds or bool(found.get(key)))
    return found


class Idle:
    """How busy the busiest GT is, as far as it was awake.

    Awake is more than busy: a GT stays awake for a moment after its work, and for a display. Where a driver never lets
    it sleep (Max), the counter stays 0 and says nothing.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int, float | None]] = {}

    def awake_percent(self, readings: Sequence[GtReading], now: float) -> float | None:
        """Since the last call, or since one before where that was just now. None where it cannot be known."""
        found = [self._awake(one, now) for one in readings if one.idle_ms]
        self._last = {name: last for name, last in self._last.items() if any(one.gt.name == name for one in readings)}
        return max((percent for percent in found if percent is not None), default=None)

    def _awake(self, one: GtReading, now: float) -> float | None:
        assert one.idle_ms is not None
        before = self._last.get(one.gt.name)
        if before is not None and now - before[0] < LEAST_SECONDS:
            return before[2]
        percent = None
        if before is not None and one.idle_ms >= before[1]:
            # The counter is updated with its own clock: it may run a little ahead of ours.
            percent = max(0.0, 100.0 * (1 - (one.idle_ms - before[1]) / 1000 / (now - before[0])))
        self._last[one.gt.name] = now, one.idle_ms, percent
        return percent
