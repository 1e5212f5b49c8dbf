"""How often each XID of each GPU was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from nodescope.devices.nvidia.xid.catalog import entry
from nodescope.devices.nvidia.xid.state import SavedXid
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import XidCount

MAX_GPUS: Final = 256
MAX_XIDS_PER_GPU: Final = 512
WINDOW_S: Final = 300
CLOCK_STEP_S: Final = 60.0
"""From which on the clock was set, and not slewed."""

BEFORE_BOOT_S: Final = 1.0
"""At least so long before this boot is what an earlier one had: when this one began is known by the second."""

NEVER: Final = (float("-inf"), -1)


class _Xid:
    """`recent`: whole second of Unix time -> how many then. `fatal_seen`: None where none was called fatal.
    `earlier`: there was none in this boot."""

    __slots__ = ("count", "earlier", "fatal_seen", "last_seen", "recent")

    def __init__(
        self,
        count: int = 0,
        last_seen: float = 0.0,
        recent: Mapping[int, int] | None = None,
        fatal_seen: float | None = None,
        earlier: bool = False,
    ) -> None:
        self.count = count
        self.last_seen = last_seen
        self.recent = dict(recent or {})
        self.fatal_seen = fatal_seen
        self.earlier = earlier

    def was_fatal(self, seconds: float | None) -> None:
        """Notes that one was called fatal at that time; None: none was."""
        if seconds is not None:
            self.fatal_seen = max(self.fatal_seen or 0.0, seconds)

    def set_back(self, now: float) -> None:
        """The clock shows `now`, which was later before: what was seen then was seen now."""
        self.last_seen = min(self.last_seen, now)
        if self.fatal_seen is not None:
            self.fatal_seen = min(self.fatal_seen, now)
        seen: dict[int, int] = {}
        for second, count in self.recent.items():
            second = min(second, int(now))
            seen[second] = seen.get(second, 0) + count
        self.recent = seen

    def step(self, since: float, by: float) -> None:
        """The clock was set by `by` seconds: what was seen from `since` on is as old as before."""
        self.last_seen = stepped(self.last_seen, since, by)
        if self.fatal_seen is not None:
            self.fatal_seen = stepped(self.fatal_seen, since, by)
        seen: dict[int, int] = {}
        for second, count in self.recent.items():
            second = int(stepped(second, since, by))
            seen[second] = seen.get(second, 0) + count
        self.recent = seen

    def window(self, now: float) -> dict[int, int]:
        """What is left of `recent` in the window: `WINDOW_S` whole seconds, of which this is the last."""
        end = int(now) - WINDOW_S
        if any(second <= end for second in self.recent):
            self.recent = {second: count for second, count in self.recent.items() if second > end}
        return self.recent


class _Gpu:
    """`newest`: time and number of the newest XID of this boot: what a reboot has ended is not told as the last.
    `reset`: when it was last reset, Unix time; None where that was not seen."""

    __slots__ = ("newest", "reset", "xids")

    def __init__(self) -> None:
        self.xids: dict[int, _Xid] = {}
        self.newest = NEVER
        self.reset: float | None = None


class Tally:
    """Counts by GPU (its UUID, or its address where that is all that is known) and XID.

    Bounded: XIDs beyond `MAX_GPUS` and `MAX_XIDS_PER_GPU` are only counted as `dropped`. Not for two threads at once.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._gpus: dict[str, _Gpu] = {}

    def add(self, gpu: str, xid: int, seconds: float) -> bool:
        """Counts one. False where there is no room for it."""
        return self._put(gpu, xid, _Xid(1, seconds, {int(seconds): 1}))

    def was_fatal(self, gpu: str, xid: int, seconds: float) -> None:
        """Notes that one that is counted was called fatal."""
        known = self._gpus.get(gpu)
        if known is not None and xid in known.xids:
            known.xids[xid].was_fatal(seconds)

    def was_reset(self, gpu: str, seconds: float) -> bool:
        """Notes when a GPU was reset; whether it has XIDs that this may have ended."""
        known = self._gpus.get(gpu)
        if known is None:
            return False
        known.reset = max(known.reset or 0.0, seconds)
        return True

    def set_back(self, now: float, booted: float) -> None:
        """The clock shows `now`, which was later before. Kept as they are, those times would be recent until it shows
        them again, be it in years, and no newer XID would be the last. An earlier boot was before `booted`."""
        earlier = max(0.0, booted - BEFORE_BOOT_S)
        for gpu in self._gpus.values():
            gpu.newest = min(gpu.newest[0], now), gpu.newest[1]
            gpu.reset = None if gpu.reset is None else min(gpu.reset, now)
            for seen in gpu.xids.values():
                seen.set_back(earlier if seen.earlier else now)

    def step(self, since: float, by: float) -> None:
        """The clock was set by `by` seconds, back where below 0. Kept as they are, those of this boot, which was
        at `since`, would be too old for anyone to look at, or of times to come."""
        for gpu in self._gpus.values():
            gpu.newest = stepped(gpu.newest[0], since, by), gpu.newest[1]
            gpu.reset = None if gpu.reset is None else stepped(gpu.reset, since, by)
            for seen in gpu.xids.values():
                if not seen.earlier:
                    seen.step(since, by)

    def move(self, gpu: str, to: str, joined: Mapping[int, Iterable[tuple[int, int]]]) -> None:
        """Adds the counts of one GPU to another's, but for those which are `joined`: XID -> (second, how many)."""
        moved = self._gpus.pop(gpu, None)
        for xid, seen in moved.xids.items() if moved else ():
            for second, count in joined.get(xid, ()):
                seen.count -= count
                seen.recent[second] = max(0, seen.recent.get(second, 0) - count)
            if seen.count > 0:
                self._put(to, xid, seen)
            elif seen.fatal_seen is not None:
                self.was_fatal(to, xid, seen.fatal_seen)

    def xids(self, gpu: str) -> list[int]:
        """The XIDs that a GPU has had."""
        known = self._gpus.get(gpu)
        return list(known.xids) if known else []

    def records(self, identity: GpuIdentity, now: float) -> list[XidCount]:
        """A record for each XID that a GPU has had, by number."""
        gpu = self._gpus.get(identity.uuid)
        if gpu is None:
            return []
        return [
            XidCount(
                identity=identity,
                xid=xid,
                xid_class=entry(xid).xid_class,
                severity=entry(xid).severity,
                count=seen.count,
                last_seen_seconds=seen.last_seen,
                last=int(xid == gpu.newest[1]),
                window_count=sum(seen.window(now).values()),
                fatal_seen_seconds=seen.fatal_seen,
                gpu_reset_seconds=gpu.reset,
            )
            for xid, seen in sorted(gpu.xids.items())
        ]

    def saved(self, now: float) -> dict[str, dict[int, SavedXid]]:
        """All of it, for `restore`."""
        return {
            name: {
                xid: SavedXid(seen.count, seen.last_seen, dict(seen.window(now)), seen.fatal_seen, seen.earlier)
                for xid, seen in gpu.xids.items()
            }
            for name, gpu in self._gpus.items()
        }

    def resets(self) -> dict[str, float]:
        """When each GPU was reset, of those that were, for `was_reset` after `restore`."""
        return {name: gpu.reset for name, gpu in self._gpus.items() if gpu.reset is not None}

    def restore(self, saved: Mapping[str, Mapping[int, SavedXid]], earlier: bool = False) -> None:
        """`earlier`: all of it is of an earlier boot."""
        for gpu, xids in saved.items():
            for xid, seen in xids.items():
                about = (seen.last_seen_seconds, seen.recent, seen.fatal_seen_seconds, earlier or seen.earlier)
                self._put(gpu, xid, _Xid(seen.count, *about))

    def _put(self, name: str, xid: int, seen: _Xid) -> bool:
        gpu = self._gpus.get(name)
        known = gpu.xids.get(xid) if gpu else None
        if known is None and (len(self._gpus) >= MAX_GPUS if gpu is None else len(gpu.xids) >= MAX_XIDS_PER_GPU):
            self.dropped += seen.count
            return False
        if gpu is None:
            gpu = self._gpus[name] = _Gpu()
        if known is None:
            known = gpu.xids[xid] = _Xid(earlier=True)
        known.count += seen.count
        known.last_seen = max(known.last_seen, seen.last_seen)
        known.was_fatal(seen.fatal_seen)
        for second, count in seen.recent.items():
            known.recent[second] = known.recent.get(second, 0) + count
        if len(known.recent) > WINDOW_S:
            known.recent = dict(sorted(known.recent.items())[-WINDOW_S:])
        if not seen.earlier:
            known.earlier = False
            if seen.last_seen >= gpu.newest[0]:
                gpu.newest = seen.last_seen, xid
        return True


def stepped(seconds: float, since: float, by: float) -> float:
    """A time by the clock that was set by `by` seconds, where it was not before `since`."""
    return max(0.0, seconds + by) if seconds >= since else seconds
