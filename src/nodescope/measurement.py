"""What one set of settings measures: the host, its collectors and samplers, and the runner over them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from nodescope import collectors, self_metrics
from nodescope.collector import Collector
from nodescope.collectors import shared_families
from nodescope.collectors.joined import Loop
from nodescope.collectors.parts import Parts, Surroundings
from nodescope.host import Absent, Host
from nodescope.metric import Family, single
from nodescope.roles import Role
from nodescope.runner import Outcome, Runner
from nodescope.sampling import SnapshotCollector
from nodescope.scraping import Scrape
from nodescope.settings import Settings, SettingsError

PROCESS_STAT: Final = "/proc/self/stat"


log = logging.getLogger(__name__)

_PROOFS: Final = (("path.procfs", "stat"), ("path.sysfs", "devices"), ("path.rootfs", "etc"))
"""Setting of a root, and what is there on every Linux."""


def check_paths(settings: Settings) -> None:
    """Raises `SettingsError` for a path that someone gave and that is no directory."""
    for key in ("path.procfs", "path.sysfs", "path.rootfs"):
        if settings.is_set(key) and not os.path.isdir(settings[key]):
            given = f"{settings.origin(key)}: {key} is {settings[key]!r}"
            raise SettingsError(f"{given}, expected a directory that is there")


def empty_roots(settings: Settings) -> Iterator[tuple[str, str]]:
    """Setting and sentence for each root in which nothing is mounted, as a container's folder for it is by mistake.

    Without procfs hardly anything can be measured; another root that was given by name must be one.
    """
    for key, proof in _PROOFS:
        folder = settings[key].rstrip("/") or "/"
        if (key == "path.procfs" or settings.is_set(key)) and not os.path.exists(f"{folder}/{proof}"):
            yield key, f"{folder} has no {proof}: nothing is mounted there"


class Measurement:
    """`wanted`: for each listener (by any key) the collectors it asks for; `names` are those of them that are on.
    `asked_for`: by the same key those that are on there unless they are switched off, on by default or not.

    Collectors are shared by the listeners. Nothing on the host is touched before `start`. What
    `surroundings` keep outlives these settings; without any it ends with them.
    """

    def __init__(
        self,
        settings: Settings,
        wanted: Mapping[str, Iterable[str]],
        on_change: Callable[[Outcome, str | None], None] | None = None,
        surroundings: Surroundings | None = None,
        asked_for: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.settings = settings
        self.host = Host(
            settings["path.procfs"], settings["path.sysfs"], settings["path.rootfs"], settings["path.udev.data"]
        )
        named = asked_for or {}
        self.names = {
            key: tuple(name for name in dict.fromkeys(names) if settings.collects(name, name in named.get(key, ())))
            for key, names in wanted.items()
        }
        self.parts = Parts(self.host, settings, surroundings)
        self._owns_kept = surroundings is None
        self.collectors: dict[str, Collector] = {
            name: collectors.build(name, self.host, settings, self.parts)
            for name in collectors.BY_NAME
            if any(name in names for names in self.names.values())
        }
        shared_families.check(self.names, self.collectors, settings)
        self.loops: dict[str, Loop] = {
            name: collector.loop
            for name, collector in self.collectors.items()
            if isinstance(collector, SnapshotCollector)
        }
        for name in self.collectors:
            sources = collectors.BY_NAME[name].sources
            if sources:
                self.loops[name] = self.parts.loop(sources)
        self.runner = Runner(
            self.collectors,
            settings["collector.timeout"],
            on_change or log_change,
            self.may_rest,
        )
        self._own_host = Host()
        self._start_seconds = 0.0

    def may_rest(self, name: str) -> bool:
        """Whether a collector that had nothing to give need not be asked again at once.

        A stored tree is shown as it is now; on a machine what is plugged in shows a moment later. What is sampled may
        have its first sample, or its device again, at any moment, and costs nothing to ask.
        """
        return name not in self.loops and not self.host.stored

    def start(self) -> None:
        """Starts the samplers. Does not wait for them."""
        for loop in self.loops.values():
            loop.start()

    def first_samples(self, timeout_s: float) -> None:
        """Waits until every sampler has sampled once, at most `timeout_s`: for who measures but once."""
        deadline = time.monotonic() + timeout_s
        for loop in self.loops.values():
            loop.first(deadline)

    def stop(self) -> None:
        """Ends samplers and workers that can be ended, and closes what is kept open."""
        self.runner.stop()
        self.retire()
        # What a collector keeps open closes with its last reference: one that hangs keeps its own until it returns.
        self.collectors.clear()
        self.runner.collectors.clear()
        if self._owns_kept:
            self.parts.surroundings.end()

    def retire(self) -> None:
        """Ends the samplers and closes what the host keeps open; scrapes that are under way come to their end."""
        for loop in (*self.loops.values(), *self.parts.loops.values()):
            loop.stop()
        self.host.close()
        self._own_host.close()

    def scrape(
        self,
        role: Role,
        key: str,
        constant_labels: Mapping[str, str],
        extra: Callable[[], list[Family]] = list,
    ) -> Scrape:
        """What the listener `key` answers at its metrics path. `extra`: further families about nodescope itself."""
        settings = self.settings

        def own(outcomes: Sequence[Outcome]) -> list[Family]:
            return self.own(role, outcomes, scrape, extra)

        scrape = Scrape(
            self.runner,
            self.names[key],
            own,
            constant_labels,
            settings["scrape.max-series"],
            settings["scrape.timeout"],
            settings["scrape.timeout-offset"],
            shared_families.hidden(self.names[key], self.collectors),
        )
        return scrape

    def own(
        self, role: Role, outcomes: Sequence[Outcome], scrape: Scrape, extra: Callable[[], list[Family]]
    ) -> list[Family]:
        """nodescope about itself, in the role's names."""
        scrapes = self_metrics.node_scrape(outcomes) if role.profile == "node_exporter" else []
        if self.settings["web.disable-exporter-metrics"]:
            return scrapes
        if role.profile != "node_exporter":
            last_run = {name: finished for name, (finished, _) in self.runner.last.items()}
            shown = {outcome.collector for outcome in outcomes}
            loops = {name: loop for name, loop in self.loops.items() if name in shown}
            ages = {name: age for name, loop in loops.items() if (age := loop.age_seconds()) is not None}
            scrapes = self_metrics.collectors(outcomes, last_run, ages)
        return [
            *scrapes,
            *self._own_process(),
            single(self_metrics.KEPT, self.host.kept_descriptors),
            self_metrics.by_label(self_metrics.DROPPED, scrape.dropped),
            self_metrics.build_info(role.name),
            *extra(),
        ]

    def _own_process(self) -> list[Family]:
        """Empty where this process' own /proc is not mounted, or has no descriptor left to be read with."""
        try:
            stat = self_metrics.parse_process_stat(self._own_host.read(PROCESS_STAT, at_once=True))
            descriptors = _open_descriptors()
        except (Absent, OSError) as error:
            log.debug("%s cannot be read: %s", PROCESS_STAT, error)
            return []
        boot_time = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        self._start_seconds = self_metrics.start_time_seconds(stat.start_ticks, boot_time, self._start_seconds)
        return self_metrics.process(stat, self._start_seconds, descriptors)


def _open_descriptors() -> int:
    """Since Linux 6.2 the directory's size is their number, which costs less than a list of them."""
    return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))


def log_change(outcome: Outcome, before: str | None) -> None:
    """One line for each change of a collector's state; what was never there and still is not is not worth one."""
    if outcome.state in ("failed", "hung"):
        log.warning("collector %s %s: %s", outcome.collector, outcome.state, outcome.reason)
    elif before in ("failed", "hung"):
        log.info("collector %s is back: %s", outcome.collector, outcome.state)
    elif outcome.state == "absent":
        log.debug("collector %s: %s", outcome.collector, outcome.reason)
