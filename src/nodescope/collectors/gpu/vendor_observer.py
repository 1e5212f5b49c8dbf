"""An observer of one vendor's GPUs, as the settings want it. Imported only where there is such a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nodescope.collectors.over_reloads import of_machine
from nodescope.collectors.parts import Parts
from nodescope.devices.gpu_past import GpuPast
from nodescope.devices.observer import GpuObserver, NoXids, Xids
from nodescope.devices.observer import Parts as ObserverParts
from nodescope.devices.process_names import Named
from nodescope.devices.source import Source
from nodescope.health.gpu import GpuHealthRules, changes
from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import GpuThrottle
from nodescope.sampling import AGE_LIMIT_INTERVALS

LEAST_MAX_AGE_S: Final = 5.0

Throttles = Callable[[GpuIdentity, GpuReading], Sequence[GpuThrottle]]


def observer_of(
    parts: Parts,
    vendor: str,
    source: Source,
    throttles: Throttles,
    xids: Xids | None = None,
    xids_problem: Callable[[], str] = str,
) -> GpuObserver:
    """The observer over `source`. `throttles` says why clocks are low; `xids` counts XIDs where there are any, and
    `xids_problem` says why some may be missing."""
    settings = parts.settings
    interval_s = settings["collector.gpu.interval"]
    max_age_s = settings["collector.gpu.max-age"] or max(AGE_LIMIT_INTERVALS * interval_s, LEAST_MAX_AGE_S)
    counted = xids or NoXids()
    rules = GpuHealthRules(xids_problem=xids_problem, on_reset=counted.was_reset)
    made = ObserverParts(
        vendor=vendor,
        source=source,
        throttles=throttles,
        xids=counted,
        past=of_machine(parts, f"{vendor}.past", lambda: GpuPast(rules)),
        changes=changes,
        named=Named(parts.host).named,
        publish=parts.publish,
    )
    return GpuObserver(parts.host, made, interval_s, max_age_s, settings["collector.gpu.window"])
