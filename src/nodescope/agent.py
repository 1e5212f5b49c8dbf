"""The only file that knows every part: builds them from settings, starts and stops them."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from nodescope import __version__, garbage, listening, logs, simulated
from nodescope.answers import Answers
from nodescope.collectors.parts import Surroundings
from nodescope.events.bus import Bus
from nodescope.listening import CannotStart, Plan
from nodescope.measurement import Measurement, check_paths, empty_roots, log_change
from nodescope.node import MeasuredNode
from nodescope.roles import BY_NAME, Role
from nodescope.runner import Outcome
from nodescope.settings import Settings, SettingsError
from nodescope.web.message import RequestCounts
from nodescope.web.server import Listener
from nodescope.web.web_config import WebConfig, WebConfigError

EVENT_CAPACITY: Final = 4096
RELOAD_WAIT_S: Final = 1.0
STOP_WAIT_S: Final = 0.3
ONLY_AT_START: Final = ("web.systemd-socket", *simulated.SETTINGS)
"""Settings that a reload leaves as they are."""

_LOGGING: Final = ("log.level", "log.format")
_CANNOT_BE: Final = (SettingsError, WebConfigError, CannotStart, OSError, RuntimeError)
"""What settings can end in: wrong ones, or a machine that gives no socket, descriptor or thread for them."""

log = logging.getLogger(__name__)


class _Slot:
    """One listener, with what outlives a reload: its socket and its counts of requests."""

    def __init__(self, plan: Plan, listener: Listener, counts: RequestCounts) -> None:
        self.plan = plan
        self.listener = listener
        self.counts = counts


class Agent:
    """One or several listeners over one measurement.

    `load` reads the settings again, for a reload; without it `reload` says that it cannot.
    """

    def __init__(
        self, settings: Settings, role: Role = BY_NAME["agent"], load: Callable[[], Settings] | None = None
    ) -> None:
        self.settings = settings
        self.role = role
        self.bus = Bus(EVENT_CAPACITY)
        self.started_seconds = time.time()
        self.started_monotonic_seconds = time.monotonic()
        self._load = load
        self._slots: list[_Slot] = []
        self._web_config: WebConfig | None = None
        self._announced: list[Listener] = []
        self._warned_of: set[Listener] = set()
        self._measurement: Measurement | None = None
        self._stand = simulated.Stand()
        self._surroundings = Surroundings(self.bus.publish, {}, keeps_state=True)
        self._changing = threading.Lock()
        self._stopping = False

    @property
    def alive(self) -> bool:
        """Whether every listener still takes requests."""
        return bool(self._slots) and all(slot.listener.alive for slot in self._slots)

    @property
    def addresses(self) -> list[str]:
        """Where it listens, with the ports that port 0 became."""
        return [slot.listener.address for slot in self._slots]

    def start(self) -> None:
        """Binds, starts sampling and serves.

        Raises, with nothing left behind, `SettingsError` where what was asked for is wrong, `CannotStart` where the
        machine does not give it.
        """
        with self._changing:
            opened: list[tuple[Plan, socket.socket]] = []
            try:
                check_paths(self.settings)
                wanted = listening.plans(self.settings, self.role)
                opened = listening.sockets(wanted, self.settings)
                self._stand.start(self.settings)
                self._surroundings = self._surroundings._replace(simulated_gpus=self._stand.gpus)
                self._put_in_force(self.settings, [plan for plan, _ in opened], [sock for _, sock in opened])
            except _CANNOT_BE as error:
                for _, sock in opened:
                    sock.close()
                self._end()
                if isinstance(error, (SettingsError, WebConfigError)):
                    raise SettingsError(str(error)) from error
                raise CannotStart(str(error)) from error
        self._announce()
        self.bus.publish("agent.started", self.role.name, {"version": __version__})

    def stop(self) -> None:
        """Ends listeners, samplers and workers; waits for none that hangs, nor for a reload that does."""
        self._stopping = True
        entered = self._changing.acquire(timeout=STOP_WAIT_S)
        try:
            listening.stop([slot.listener for slot in self._slots])
            self._end()
        finally:
            if entered:
                self._changing.release()

    def reload(self) -> str | None:
        """Reads the settings again and puts them in force; what is wrong is returned, and leaves the running ones."""
        if not self._changing.acquire(timeout=RELOAD_WAIT_S):
            return "another reload is under way; try again later"
        try:
            problem = self._reload()
        finally:
            self._changing.release()
        if problem is None:
            log.info("settings reloaded")
            self.bus.publish("settings.reloaded", self.role.name)
        else:
            log.error("reload failed, the settings in force stay: %s", problem)
            self.bus.publish("settings.refused", self.role.name, {"reason": problem})
        return problem

    def _reload(self) -> str | None:
        if self._load is None:
            return "this agent was started without a way to read its settings again"
        try:
            settings = self._load()
            if self._stopping:
                return "the agent is stopping"
            kept_back = [key for key in ONLY_AT_START if settings[key] != self.settings[key]]
            settings = settings.replaced({key: self.settings[key] for key in kept_back}, "the start")
            check_paths(settings)
            wanted = listening.plans(settings, self.role)
            if settings["web.systemd-socket"]:
                wanted = listening.over_passed(wanted, len(self._slots))
            added, gone = listening.changes([slot.plan for slot in self._slots], wanted)
            leaving = [slot.listener for slot in self._slots if any(slot.plan is plan for plan in gone)]
            sockets = listening.bound(added, [sock for listener in leaving for sock in listener.sockets])
            try:
                self._put_in_force(settings, wanted, sockets)
            except _CANNOT_BE:
                for sock in sockets:
                    sock.close()
                raise
        except _CANNOT_BE as error:
            return str(error)
        # What the measurement before kept open closes with it, and it refers to itself.
        garbage.collect()
        for warning in (*settings.warnings, *(f"{key} has changed, which takes a restart" for key in kept_back)):
            log.warning("%s", warning)
        self._announce()
        return None

    def _put_in_force(self, settings: Settings, wanted: Sequence[Plan], new_sockets: Sequence[socket.socket]) -> None:
        """Measures and serves what is wanted. Raises before anything has changed, or not at all.

        `new_sockets`: one for each wanted listener that does not exist yet, in order.
        """
        config = listening.web_config(settings)
        collectors = {str(index): plan.collectors for index, plan in enumerate(wanted)}
        asked_for = {str(index): plan.asked_for for index, plan in enumerate(wanted)}
        here = self._stand.in_place(settings)
        measurement = Measurement(here, collectors, self._on_change, self._surroundings, asked_for)
        spare = list(self._slots)
        try:
            slots = self._serve(measurement, wanted, spare, iter(new_sockets), config)
        except _CANNOT_BE:
            measurement.stop()
            raise
        if [settings[key] for key in _LOGGING] != [self.settings[key] for key in _LOGGING]:
            logs.configure(*(settings[key] for key in _LOGGING))
        before, self._measurement = self._measurement, measurement
        self.settings, self._slots, self._web_config = settings, slots, config
        listening.leave([slot.listener for slot in spare])
        if before is not None:
            before.retire()

    def _serve(
        self,
        measurement: Measurement,
        wanted: Sequence[Plan],
        spare: list[_Slot],
        sockets: Iterator[socket.socket],
        config: WebConfig | None,
    ) -> list[_Slot]:
        """A slot for each of `wanted`: of those in `spare`, which is left with the others, or a new one."""
        limits = listening.limits(measurement.settings, len(wanted))
        slots: list[_Slot] = []
        new: list[_Slot] = []
        swaps: list[tuple[_Slot, Plan, Answers]] = []
        try:
            for index, plan in enumerate(wanted):
                slot = next((slot for slot in spare if slot.plan.address == plan.address), None)
                counts = slot.counts if slot else RequestCounts()
                node = MeasuredNode(measurement) if plan.role.serves_api else None
                handler = Answers(self, measurement, plan, str(index), counts, node)
                if slot is None:
                    slot = _Slot(plan, Listener([next(sockets)], handler, limits, config), counts)
                    new.append(slot)
                else:
                    spare.remove(slot)
                    swaps.append((slot, plan, handler))
                handler.listener = slot.listener
                slots.append(slot)
            measurement.start()
            for slot in new:
                slot.listener.start()
            for slot, plan, handler in swaps:
                slot.listener.swap(handler, config, limits)
                slot.plan = plan
        except _CANNOT_BE:
            listening.stop([slot.listener for slot in new])
            raise
        return slots

    def _end(self) -> None:
        self._slots = []
        if self._measurement is not None:
            self._measurement.stop()
            self._measurement = None
        self._surroundings.end()
        self._stand.stop()

    def _announce(self) -> None:
        """Logs where it listens now and did not before, and what has become open to others."""
        for slot in self._slots:
            where = slot.listener.address
            if slot.listener not in self._announced:
                fields = {"address": where, "role": slot.plan.role.name, "version": __version__}
                log.info("listening", extra={"fields": fields})
        self._announced = [slot.listener for slot in self._slots]
        open_ones = {each for each in self._announced if listening.open_to_all(each.address, self._web_config)}
        for listener in self._announced:
            if listener in open_ones - self._warned_of:
                log.warning(
                    "%s can be reached from other machines without a password: set web.config.file, or listen "
                    "on 127.0.0.1",
                    listener.address,
                )
        self._warned_of = open_ones
        for key, problem in empty_roots(self.settings):
            log.warning("%s: %s; mount it, or correct --%s", self.settings.origin(key), problem, key)
        for key, problem in listening.unserved(self.settings, [slot.plan for slot in self._slots]):
            log.warning("%s: %s", self.settings.origin(key), problem)

    def _on_change(self, outcome: Outcome, before: str | None) -> None:
        log_change(outcome, before)
        if before is not None or outcome.state in ("failed", "hung"):
            attributes = {"before": before or "", "reason": outcome.reason}
            self.bus.publish(f"collector.{outcome.state}", outcome.collector, attributes)
