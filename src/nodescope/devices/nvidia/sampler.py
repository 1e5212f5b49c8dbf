"""Samples NVIDIA's GPUs where there are any, and costs nothing where there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

from nodescope.host import Absent, Host

SIGNS: Final = ("driver/nvidia/version", "driver/nvidia/params")
"""Files of procfs that are there while the kernel module is loaded."""

ABSENT_REST_S: Final = 10.0
REST_SHARE: Final = 0.5


class Observer(Protocol):
    """What has the driver: see observer.py."""

    def sample(self) -> tuple[Any, ...]: ...

    def close(self) -> None: ...


class GpuSampler:
    """Every NVIDIA GPU and MIG instance.

    *Source*: the driver's library in a child process, or nvidia-smi. *Absent when*: the driver is not loaded; then
    nothing is started and nothing imported. *Cost*: what the source costs, and well under a millisecond for each GPU.

    `observer`: opens the source. `forced`: open it even where nothing shows that the driver is loaded.
    """

    name: ClassVar[str] = "gpu"
    demand_wait_s: float = 0.0

    def __init__(self, host: Host, observer: Callable[[], Observer], interval_s: float, forced: bool = False) -> None:
        self.interval_s = interval_s
        self._host = host
        self._open = observer
        self._forced = forced
        self._observer: Observer | None = None
        self._absent = False
        self._closed = False

    @property
    def rest_s(self) -> float:
        """The source sets the pace: between samples there is only to be a moment, but where there is no driver."""
        return ABSENT_REST_S if self._absent else self.interval_s * REST_SHARE

    def sample(self) -> tuple[Any, ...]:
        self._absent = True
        if self._observer is None:
            if not self._forced and not any(self._host.exists(self._host.proc(sign)) for sign in SIGNS):
                raise Absent(self._host.proc(SIGNS[0]))
            self._observer = self._open()
            if self._closed:
                self._observer.close()
        records = self._observer.sample()
        self._absent = False
        return records

    def close(self) -> None:
        """Gives the driver up."""
        self._closed = True
        if self._observer is not None:
            self._observer.close()
