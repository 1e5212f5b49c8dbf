"""How busy a GPU is, of two sources that do not always agree.

*Source*: average_gfx_activity of gpu_metrics, and the file gpu_busy_percent. On some GPUs (MI210, MI308X) one of them
stays 0 under load while the other moves. *Units*: percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FROM_METRICS: Final = 1
FROM_BUSY_FILE: Final = 2
STUCK_SAMPLES: Final = 5
"""How often in a row one has to say 0 and the other not, until the other is believed."""


class Activity:
    """Chooses for one GPU: gpu_metrics, unless it is seen to be stuck at 0 or says nothing."""

    def __init__(self) -> None:
        self._idle_in_metrics_alone = 0

    def chosen(self, metrics: float | None, busy: float | None) -> tuple[float | None, Mapping[str, float]]:
        """The use in percent; and both sources by name, with the number of the one that was chosen."""
        if metrics:
            self._idle_in_metrics_alone = 0
        elif metrics == 0 and busy:
            self._idle_in_metrics_alone += 1
        source = FROM_METRICS
        if busy is not None and (metrics is None or self._idle_in_metrics_alone >= STUCK_SAMPLES):
            source = FROM_BUSY_FILE
        value = metrics if source == FROM_METRICS else busy
        told = {"gpu_metrics_activity_percent": metrics, "gpu_busy_percent": busy}
        fields = {name: number for name, number in told.items() if number is not None}
        return value, fields if value is None else {**fields, "utilization_source": source}
