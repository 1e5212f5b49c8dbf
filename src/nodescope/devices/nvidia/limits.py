"""How long the GPU child may take for what, and when it is tried again."""

from __future__ import annotations

from typing import Final, NamedTuple

START_LIMIT_S: Final = 30.0
"""nvmlInit of eight GPUs takes this long where the driver does not keep them initialised (persistence mode)."""

SILENT_INTERVALS: Final = 3
LEAST_SILENCE_S: Final = 5.0
CALL_LIMIT_S: Final = 2.0
REAP_LIMIT_S: Final = 2.0
CLOSE_LIMIT_S: Final = 1.5
"""`Source.close` has 2 s; the rest is for the thread to notice."""

FIRST_BACK_OFF_S: Final = 1.0
LONGEST_BACK_OFF_S: Final = 60.0
HEALTHY_S: Final = 60.0
NO_LIBRARY_S: Final = 60.0
FIRST_QUARANTINE_S: Final = 10.0
LONGEST_QUARANTINE_S: Final = 600.0
MAX_ABANDONED: Final = 3
IDENTITY_KEPT_S: Final = 60.0
LOOK_S: Final = 0.25
MAX_CHILD_BYTES: Final = 128 * 1024 * 1024
"""Of resident memory. One that is well has a fifth of it; the driver's libraries have been known to leak."""
MEMORY_LOOK_S: Final = 10.0
LEAST_LIFE_S: Final = 600.0
"""No child is replaced for its size before: where each grows at once, another costs more than it gives."""


class Limits(NamedTuple):
    """Seconds unless the name says otherwise.

    `start_s`: from the start of a child to its first sample. `call_s`: for one call of the library. `reap_s`: for a
    killed child to be gone; then it hangs in the kernel and is abandoned. `back_off_s`, doubled up to
    `longest_back_off_s`: between a failure and the next start, until the source was well for `healthy_s`.
    `quarantine_s`, doubled up to `longest_quarantine_s`: until a call that hung is tried again. `identity_kept_s`: for
    how long a source that failed still tells which GPUs there were. `look_s`: between two looks at the pause file.
    `child_bytes`: of resident memory, looked at each `memory_look_s`; a child that grows to more and lives for
    `least_life_s` is replaced.
    """

    start_s: float = START_LIMIT_S
    least_silence_s: float = LEAST_SILENCE_S
    call_s: float = CALL_LIMIT_S
    reap_s: float = REAP_LIMIT_S
    close_s: float = CLOSE_LIMIT_S
    back_off_s: float = FIRST_BACK_OFF_S
    longest_back_off_s: float = LONGEST_BACK_OFF_S
    healthy_s: float = HEALTHY_S
    no_library_s: float = NO_LIBRARY_S
    quarantine_s: float = FIRST_QUARANTINE_S
    longest_quarantine_s: float = LONGEST_QUARANTINE_S
    max_abandoned: int = MAX_ABANDONED
    identity_kept_s: float = IDENTITY_KEPT_S
    look_s: float = LOOK_S
    child_bytes: int = MAX_CHILD_BYTES
    memory_look_s: float = MEMORY_LOOK_S
    least_life_s: float = LEAST_LIFE_S

    def silence_s(self, interval_s: float) -> float:
        """How long a child that samples each `interval_s` may be silent."""
        return max(SILENT_INTERVALS * interval_s, self.least_silence_s)


def doubled(first_s: float, longest_s: float, times: int) -> float:
    """`first_s`, doubled with each of `times` beyond the first, `longest_s` at most."""
    return min(longest_s, first_s * 2.0 ** min(max(times, 1) - 1, 64))


class BackOff:
    """When to start again. Times are those of one clock, in seconds."""

    def __init__(self, first_s: float, longest_s: float, healthy_s: float) -> None:
        self.next_at = float("-inf")
        self._first_s = first_s
        self._longest_s = longest_s
        self._healthy_s = healthy_s
        self._failures = 0
        self._well_since: float | None = None

    def well(self, now: float) -> None:
        """The source gives samples at `now`."""
        if self._well_since is None:
            self._well_since = now

    def failed(self, now: float, least_s: float = 0.0) -> None:
        """It failed at `now`, and is not to be tried for `least_s` seconds at least."""
        if self._well_since is not None and now - self._well_since >= self._healthy_s:
            self._failures = 0
        self._well_since = None
        self._failures += 1
        self.next_at = now + max(least_s, doubled(self._first_s, self._longest_s, self._failures))

    def clear(self) -> None:
        """Start at once: what hindered it was taken away on purpose."""
        self._failures = 0
        self._well_since = None
        self.next_at = float("-inf")
