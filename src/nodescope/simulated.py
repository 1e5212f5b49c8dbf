"""Puts a simulated machine in the place of this one, for the agent and for the commands that measure once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from nodescope.collectors.parts import Surroundings, unheard
from nodescope.settings import Settings, SettingsError

if TYPE_CHECKING:
    from nodescope.simulate import Simulation

SETTINGS: Final = ("simulate", "simulate.seed", "simulate.speed", "simulate.truth-file", "simulate.faults")
SIGNAL_EXIT: Final = 128
"""What a shell adds to the number of the signal that ended a command."""
END_AGAIN_S: Final = 0.01
_ENDS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Stand:
    """What stands in for this machine, or nothing of the kind.

    `changes`: settings that make collectors read it; `gpus`: what its GPUs' child is told. Both stay as they are from
    `start` on.
    """

    def __init__(self) -> None:
        self.changes: dict[str, Any] = {}
        self.gpus: dict[str, object] | None = None
        self._simulation: Simulation | None = None

    def start(self, settings: Settings) -> None:
        """Starts what the settings ask for. Raises `SettingsError` for faults that cannot be, `OSError` where its files
        cannot be written."""
        if not settings["simulate"]:
            return
        from nodescope.simulate import Simulation

        name, seed, speed, truth, faults = (settings[key] for key in SETTINGS)
        try:
            self._simulation = Simulation(name, seed, speed, truth or None, faults=faults)
        except ValueError as error:
            raise SettingsError(f"{settings.origin('simulate.faults')}: {error}") from error
        try:
            roots = self._simulation.start()
        except OSError as error:
            raise OSError(f"the simulated machine cannot be written: {error}") from error
        self.changes = {
            "path.procfs": roots.procfs,
            "path.sysfs": roots.sysfs,
            "path.rootfs": roots.rootfs,
            "path.udev.data": roots.udev_data,
            # netlink would answer for this machine.
            "collector.netdev.netlink": False,
            "collector.arp.netlink": False,
            "collector.gpu.amd-source": "sysfs",
            # What programs and the kernel log would tell is this machine's.
            "collector.gpu.amd-static-interval": 0.0,
            "collector.rdma.source": "sysfs",
            "collector.gpu.kmsg": "",
            "state.directory": f"{roots.rootfs}/var/lib/nodescope",
        }
        self.gpus = self._simulation.gpu_options()
        if self.gpus is not None:
            self.changes["collector.gpu.source"] = "simulated"

    def in_place(self, settings: Settings) -> Settings:
        """The settings, with what makes collectors read the simulated machine."""
        return settings.replaced(self.changes, "simulation") if self.changes else settings

    def stop(self) -> None:
        """Ends it and takes its files away."""
        if self._simulation is not None:
            self._simulation.stop()
            self._simulation = None


@contextmanager
def machine(settings: Settings) -> Iterator[tuple[Settings, Surroundings]]:
    """The machine to measure once: this one, or a simulated one for as long as it lasts."""
    stand = Stand()
    surroundings = Surroundings(unheard, {})
    with _orderly_end() if settings["simulate"] else nullcontext():
        try:
            try:
                stand.start(settings)
            except OSError as error:
                raise SettingsError(str(error)) from error
            surroundings = surroundings._replace(simulated_gpus=stand.gpus)
            yield stand.in_place(settings), surroundings
        finally:
            surroundings.end()
            stand.stop()


@contextmanager
def _orderly_end() -> Iterator[None]:
    """SIGTERM, SIGHUP and SIGINT let the process take the machine's files away, for these lie in memory.

    They end it at once where this machine is measured: there a read may hang, and no file is left.
    """
    # What nohup has switched off stays so.
    before = {number: signal.getsignal(number) for number in _ENDS}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    alarm, unraisable = signal.getsignal(signal.SIGALRM), sys.unraisablehook
    try:
        sys.unraisablehook = _end_later
        for number in taken:
            signal.signal(number, _end)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        sys.unraisablehook = unraisable
        for number, handler in taken.items():
            if signal.getsignal(number) is _end:
                signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    # A terminal that is closed sends more than one, and people do: none cuts the end short any more.
    for other in _ENDS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(SIGNAL_EXIT + number)


def _end_later(lost: sys.UnraisableHookArgs) -> None:
    """What `_end` raised in a callback of a weak reference, out of which no exception comes, is raised again."""
    ended = lost.exc_value
    if not isinstance(ended, SystemExit):
        sys.__unraisablehook__(lost)
        return
    code = ended.code
    signal.signal(signal.SIGALRM, lambda number, frame: sys.exit(code))
    signal.setitimer(signal.ITIMER_REAL, END_AGAIN_S)
