"""Which reports are of one and the same error, when more than one source tells of it.

Each source tells of an error once. So a report joins an error that its source has not told of yet, of the same GPU and
XID and at most `DUPLICATE_S` away; where there is none it is a new error. One to one: of a thousand errors in a second
that two sources tell of a thousand times each, a thousand are counted, in whatever order the reports come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

DUPLICATE_S: Final = 5.0
BUCKETS_PER_SECOND: Final = 10
"""Errors of one XID in the same tenth of a second are kept as one number, so that a storm costs no memory."""

KEPT_S: Final = 60.0
MAX_KEYS: Final = 512
MAX_OPEN_OF_KEY: Final = 128

_REACH: Final = round(DUPLICATE_S * BUCKETS_PER_SECOND)

Key = tuple[str, int]
"""A GPU, and an XID."""


class Open(NamedTuple):
    """`errors` of `key` in a bucket of time, of which the sources in the mask `told` have told."""

    key: Key
    bucket: int
    told: int
    errors: int


class Matches:
    """The errors that another source may still tell of, for `KEPT_S` after the report that began them.

    Bounded: beyond `MAX_KEYS` and `MAX_OPEN_OF_KEY` the oldest are forgotten, and a late report of one counts as new.
    """

    def __init__(self) -> None:
        # Key -> (bucket, told) -> how many, and the time since when they are kept.
        self._open: dict[Key, dict[tuple[int, int], tuple[int, float]]] = {}

    def joined(self, key: Key, source: int, sources: int, seconds: float, now: float) -> bool:
        """Whether a report is of an error that is counted already.

        `source`: the bit of the one that reports; `sources`: those of all that may tell of such an error.
        """
        return self._join(Open(key, int(seconds * BUCKETS_PER_SECOND), source, 1), sources, now) > 0

    def moved(self, key: Key, to: Key, sources: int, now: float) -> list[tuple[int, int]]:
        """Makes the errors of one key those of another and joins what is one; (second, how many) of these.

        For a GPU that was known by its address alone: what the kernel log told of it meets what the driver told.
        """
        found = [
            (report.bucket // BUCKETS_PER_SECOND, self._join(report._replace(key=to), sources, now))
            for report in self._of(key)
        ]
        self._open.pop(key, None)
        return [(second, joined) for second, joined in found if joined]

    def prune(self, now: float) -> None:
        """Forgets what nobody will tell of any more."""
        for key, runs in tuple(self._open.items()):
            # A clock that was set back must not keep them for long.
            for run in [run for run, (_, since) in runs.items() if not 0 <= now - since <= KEPT_S]:
                del runs[run]
            if not runs:
                del self._open[key]

    def saved(self) -> list[Open]:
        """All that is open, for `restore`."""
        return [report for key in self._open for report in self._of(key)]

    def restore(self, saved: Iterable[Open], now: float) -> None:
        for report in saved:
            self._add(report, now)

    def _of(self, key: Key) -> list[Open]:
        return [Open(key, bucket, told, count) for (bucket, told), (count, _) in self._open.get(key, {}).items()]

    def _join(self, report: Open, sources: int, now: float) -> int:
        """How many errors of a report are known; the others are open from now on. The oldest are joined first."""
        runs = self._open.get(report.key, {})
        left = report.errors
        for bucket, told in sorted(run for run in runs if not run[1] & report.told and _near(run[0], report.bucket)):
            known, since = runs.pop((bucket, told))
            joined = min(left, known)
            left -= joined
            if known > joined:
                runs[bucket, told] = known - joined, since
            if told | report.told != sources:
                self._add(Open(report.key, bucket, told | report.told, joined), now)
            if not left:
                break
        if left:
            self._add(report._replace(errors=left), now)
        return report.errors - left

    def _add(self, report: Open, now: float) -> None:
        if report.key not in self._open and len(self._open) >= MAX_KEYS:
            del self._open[next(iter(self._open))]
        runs = self._open.setdefault(report.key, {})
        run = report.bucket, report.told
        if run not in runs and len(runs) >= MAX_OPEN_OF_KEY:
            del runs[next(iter(runs))]
        count, since = runs.get(run, (0, now))
        runs[run] = count + report.errors, since


def _near(bucket: int, other: int) -> bool:
    return abs(bucket - other) <= _REACH
