"""Samples RDMA devices: from sysfs, or from programs where sysfs cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

from nodescope.host import Absent

INTERVAL_S: Final = 5.0
ABSENT_REST_S: Final = 10.0


class Source(Protocol):
    """Where records come from: see sysfs.py and programs.py."""

    def sample(self) -> tuple[Any, ...]: ...

    def close(self) -> None: ...


class RdmaSampler:
    """Devices, ports and counters of RDMA: records of `nodescope.records.rdma`.

    `sysfs` is asked first, if given. `programs`, if given, makes what is asked where the class of RDMA devices may not
    be read, or where there is no `sysfs`. `everywhere`: the programs see more than this process does, as those of a
    container's host do, and are asked also where sysfs has no device.
    """

    name: ClassVar[str] = "rdma"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        sysfs: Source | None,
        programs: Callable[[], Source] | None = None,
        interval_s: float = INTERVAL_S,
        everywhere: bool = False,
    ) -> None:
        self.interval_s = interval_s
        self._sysfs = sysfs
        self._make_programs = programs
        self._programs: Source | None = None
        self._everywhere = everywhere
        self._absent = False

    @property
    def rest_s(self) -> float:
        """Where there is no device, one is looked for less often."""
        return max(self.interval_s, ABSENT_REST_S) if self._absent else self.interval_s

    def sample(self) -> tuple[Any, ...]:
        """Raises `Absent` where there is no device, else what the source raises."""
        self._absent = True
        records = self._sample()
        self._absent = False
        return records

    def _sample(self) -> tuple[Any, ...]:
        if self._sysfs is None:
            return self._asked(Absent("a source of RDMA devices"))
        try:
            return self._sysfs.sample()
        except Absent as absent:
            if not self._everywhere:
                raise
            return self._asked(absent)
        except OSError as error:
            return self._asked(error)

    def _asked(self, why: Absent | OSError) -> tuple[Any, ...]:
        """What the programs say; where there are none the failure of sysfs stands."""
        if self._make_programs is None:
            raise why
        if self._programs is None:
            self._programs = self._make_programs()
        try:
            return self._programs.sample()
        except Absent:
            raise why from None

    def close(self) -> None:
        """Gives up what the sources keep open."""
        for source in (self._sysfs, self._programs):
            if source is not None:
                source.close()
