"""GPU children that were killed: reaped when they end, abandoned when they do not."""

from __future__ import annotations

from nodescope.devices.nvidia.child_process import ChildProcess


class KilledChildren:
    """Those that are not reaped yet. One that hangs in the kernel cannot be ended: it is abandoned after `reap_s`."""

    def __init__(self, reap_s: float) -> None:
        self.abandoned: list[ChildProcess] = []
        self._dying: list[tuple[ChildProcess, float]] = []
        self._reap_s = reap_s

    @property
    def dying(self) -> list[ChildProcess]:
        return [child for child, _ in self._dying]

    @property
    def count(self) -> int:
        return len(self._dying) + len(self.abandoned)

    def kill(self, child: ChildProcess, now: float) -> None:
        """Ends a child. What it wrote before can still be read."""
        child.kill()
        self._dying.append((child, now))

    def tend(self, now: float) -> list[ChildProcess]:
        """Reaps those that have ended; those that are abandoned from now on."""
        late, waiting = [], []
        for child, killed_at in self._dying:
            gone = child.process.reap()
            in_time = now - killed_at < self._reap_s
            # What it wrote last is still to be read.
            if in_time and not (gone and child.is_read):
                waiting.append((child, killed_at))
                continue
            child.process.close()
            if not gone:
                late.append(child)
        self._dying = waiting
        self.abandoned = [child for child in self.abandoned if not child.process.reap()] + late
        return late

    def give_up(self) -> None:
        """Closes what is open of those that are still there: nobody will tend them any more."""
        for child, _ in self._dying:
            child.process.close()
        self.abandoned += self.dying
        self._dying = []
