"""A token bucket: `burst` requests at once, then one each interval.

Source: golang.org/x/time/rate, which exporter-toolkit documents its rate_limit by.
"""

from __future__ import annotations

import threading
from time import monotonic


class RateLimiter:
    """Starts full. `interval_s` seconds a token; a `burst` of 0 refuses everything."""

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = monotonic()
        self._lock = threading.Lock()

    def allow(self, now: float | None = None) -> bool:
        """Takes a token. False where none is left. `now`: `time.monotonic()`."""
        with self._lock:
            at = monotonic() if now is None else now
            gained = max(0.0, at - self._filled_at) / self._interval_s
            self._tokens = min(float(self._burst), self._tokens + gained)
            self._filled_at = max(at, self._filled_at)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
