"""amd-smi: which of its commands are run when, and what is done where one card makes it fail.

Source: amd-smi's documentation. `list`, `static` and `topology` hardly change and are run each few minutes and when the
numbers of the GPUs do; `metric` and `process` each round, and `xgmi` where there are links. Where `metric` of all GPUs
fails or hangs, each GPU is asked for on its own: a broken card then costs only itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from nodescope.devices.amd.smi_json import Entry, gpu_entries
from nodescope.devices.amd.smi_program import ABSENT, AMD_SMI, HUNG, NO_PROGRAM, NSENTER, SmiProgram, Unreadable
from nodescope.devices.amd.smi_records import Answers, Told, told
from nodescope.devices.amd.smi_static import static
from nodescope.devices.amd.smi_values import small
from nodescope.devices.amd.tool_source import INTERVAL_S, ToolLimits, ToolSource
from nodescope.host import Host, Malformed
from nodescope.records.amd_static import AmdStatic

METRIC: Final = ("metric", "--json")
PROCESS: Final = ("process", "--json")
LIST: Final = ("list", "--json")
STATIC: Final = ("static", "--json")
TOPOLOGY: Final = ("topology", "--json")
XGMI: Final = ("xgmi", "--metric", "--json")
_INVENTORY: Final = (("_listed", LIST), ("_static", STATIC), ("_topology", TOPOLOGY))
MAX_ASKED_ALONE: Final = 64
LEAST_RUN_S: Final = 0.5


def amd_smi_source(
    host: Host,
    program: str = "",
    namespace: str = "",
    interval_s: float = INTERVAL_S,
    limits: ToolLimits | None = None,
    nsenter: str = NSENTER,
    is_paused: Callable[[], bool] = lambda: False,
) -> ToolSource:
    """amd-smi as a `Source`. `program`: its path, where it is not where it commonly is. `namespace`: "" or "host"."""
    limits = limits or ToolLimits()
    smi = SmiProgram(host, AMD_SMI, program, namespace, limits.run_s, nsenter, is_paused)
    return ToolSource(host, AmdSmi(smi, limits), interval_s, limits)


class AmdSmi:
    """A `Tool`. For one thread at a time."""

    kind: Final = AMD_SMI

    def __init__(self, program: SmiProgram, limits: ToolLimits) -> None:
        self._program = program
        self._limits = limits
        self._until = float("-inf")
        self._deadline = 0.0
        self._listed: list[Entry] = []
        self._static: list[Entry] = []
        self._topology: list[Entry] = []
        self._seen: frozenset[int] = frozenset()

    @property
    def starts(self) -> int:
        return self._program.starts

    def stop(self) -> None:
        """Ends what runs now, and what would be run. For any thread."""
        self._program.stop()

    def ask(self) -> tuple[Told, ...]:
        self._deadline = time.monotonic() + self._limits.round_s
        if time.monotonic() >= self._until:
            self._look()
        failed: dict[int, str] = {}
        try:
            metric = self._entries(METRIC)
        except Unreadable as error:
            metric, failed = self._each(error)
        now = time.monotonic()
        numbers = frozenset(_numbers(metric) | failed.keys())
        if numbers != self._seen:
            if self._seen:
                self._look()
            self._seen = numbers
        answers = Answers(
            listed=self._listed,
            static=self._static,
            metric=metric,
            process=self._optional(PROCESS),
            topology=self._topology,
            xgmi=self._optional(XGMI) if _has_links(self._topology) else [],
            failed=failed,
        )
        return told(answers, now)

    def statics(self) -> tuple[AmdStatic, ...]:
        """What `static` says now. Raises `Unreadable`."""
        self._deadline = time.monotonic() + self._limits.round_s
        listed = {small(entry.get("gpu")): entry for entry in self._optional(LIST)}
        entries = self._entries(STATIC)
        found = (static({**listed.get(small(entry.get("gpu")), {}), **entry}) for entry in entries)
        return tuple(one for one in found if one is not None)

    def _look(self) -> None:
        """What hardly changes. Where a part cannot be had the last stays; raises `Unreadable` where there is none."""
        failure: Unreadable | None = None
        for attribute, arguments in _INVENTORY:
            try:
                setattr(self, attribute, self._entries(arguments))
            except Unreadable as error:
                failure = failure or error
                if error.kind == HUNG:
                    break
        if failure is not None and not self._listed and not self._static:
            raise failure
        complete = bool(self._listed and self._static)
        self._until = time.monotonic() + (self._limits.inventory_s if complete else self._limits.least_interval_s)

    def _each(self, error: Unreadable) -> tuple[list[Entry], dict[int, str]]:
        """The metrics of each known GPU that gives them, and why each other does not."""
        numbers = sorted(_numbers(self._listed or self._static))[:MAX_ASKED_ALONE]
        if error.kind in ABSENT or len(numbers) < 2:
            raise error
        metric: list[Entry] = []
        failed: dict[int, str] = {}
        for number in numbers:
            try:
                metric += self._entries(("metric", "--gpu", str(number), "--json"))
            except Unreadable as own:
                failed[number] = str(own)
        if not metric:
            raise error
        return metric, failed

    def _optional(self, arguments: tuple[str, ...]) -> list[Entry]:
        try:
            return self._entries(arguments)
        except Unreadable as error:
            if error.kind == NO_PROGRAM:
                raise
            return []

    def _entries(self, arguments: tuple[str, ...]) -> list[Entry]:
        left_s = self._deadline - time.monotonic()
        if left_s < LEAST_RUN_S and left_s < self._limits.round_s / 2:
            raise Unreadable(HUNG, f"amd-smi {' '.join(arguments)} was not run: others took {self._limits.round_s:g} s")
        finished = self._program.run(arguments, left_s)
        try:
            found = gpu_entries(finished.stdout, f"amd-smi {' '.join(arguments)}")
        except Malformed:
            found = []
        if not found:
            raise self._program.failure(finished, "an entry of any GPU in JSON")
        return found


def _numbers(entries: list[Entry]) -> set[int]:
    return {number for entry in entries if (number := small(entry.get("gpu"))) is not None}


def _has_links(topology: list[Entry]) -> bool:
    listed = [link for entry in topology if isinstance(links := entry.get("links"), list) for link in links]
    return any(isinstance(link, dict) and str(link.get("link_type")).lower() == "xgmi" for link in listed)
