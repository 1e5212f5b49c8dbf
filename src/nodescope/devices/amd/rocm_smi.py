"""rocm-smi: what it is asked for, in JSON and where it gives none in text.

Source: rocm_smi.py of ROCm 4 to 7. `--showbw` is not asked for: it takes a second for each GPU. Which partition mode is
set is asked seldom, for that may wake a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from nodescope.devices.amd.rocm_smi_told import Cards, parse_json, told_of
from nodescope.devices.amd.smi_program import NSENTER, ROCM_SMI, USAGE_STATUS, SmiProgram, Unreadable
from nodescope.devices.amd.smi_records import Told
from nodescope.devices.amd.tool_source import INTERVAL_S, ToolLimits, ToolSource
from nodescope.host import Host, Malformed

CORE: Final = (
    "--showproductname", "--showid", "--showuniqueid", "--showserial", "--showbus", "--showvbios",
    "--showdriverversion", "--showtemp", "--showclocks", "--showfan", "--showpower", "--showmaxpower", "--showuse",
    "--showmemuse", "--showvoltage", "--showmeminfo", "vram", "vis_vram", "gtt", "--showpids",
)  # fmt: skip
"""What every release knows since 4.0."""

NEWER: Final = ("--showreplaycount", "--showmemvendor", "--showtoponuma", "--showenergycounter")
PARTITIONS: Final = ("--showcomputepartition", "--showmemorypartition")
JSON: Final = ("--json",)


def rocm_smi_source(
    host: Host,
    program: str = "",
    namespace: str = "",
    interval_s: float = INTERVAL_S,
    limits: ToolLimits | None = None,
    nsenter: str = NSENTER,
    is_paused: Callable[[], bool] = lambda: False,
) -> ToolSource:
    """rocm-smi as a `Source`. `program`: its path, where it is not where it commonly is. `namespace`: "" or "host"."""
    limits = limits or ToolLimits()
    smi = SmiProgram(host, ROCM_SMI, program, namespace, limits.run_s, nsenter, is_paused)
    return ToolSource(host, RocmSmi(smi, limits), interval_s, limits)


class RocmSmi:
    """A `Tool`. For one thread at a time."""

    kind: Final = ROCM_SMI

    def __init__(self, program: SmiProgram, limits: ToolLimits) -> None:
        self._program = program
        self._limits = limits
        self._until = float("-inf")
        self._arguments: tuple[str, ...] = (*CORE, *NEWER)
        self._partitions: Mapping[int, Mapping[str, Any]] = {}

    @property
    def starts(self) -> int:
        return self._program.starts

    def stop(self) -> None:
        """Ends what runs now, and what would be run. For any thread."""
        self._program.stop()

    def ask(self) -> tuple[Told, ...]:
        found = self._cards()
        now = time.monotonic()
        if now >= self._until:
            self._partitions = self._modes()
            self._until = now + self._limits.inventory_s
        cards = {number: {**self._partitions.get(number, {}), **labels} for number, labels in found.cards.items()}
        return told_of(Cards(cards, found.system), now)

    def _cards(self) -> Cards:
        try:
            return self._json(self._arguments)
        except Unreadable as error:
            if error.status != USAGE_STATUS:
                raise
        # An older release, which says so to each argument that it does not know.
        self._arguments = CORE
        return self._json(CORE)

    def _json(self, arguments: tuple[str, ...]) -> Cards:
        """The cards, of JSON or of another run for text."""
        finished = self._program.run((*arguments, *JSON))
        try:
            found = parse_json(finished.stdout, "rocm-smi --json")
        except Malformed:
            found = Cards({}, {})
        if found.cards:
            return found
        if finished.status == USAGE_STATUS and arguments != CORE:
            raise self._program.failure(finished, "JSON")
        return self._text(arguments)

    def _text(self, arguments: tuple[str, ...]) -> Cards:
        from nodescope.devices.amd.rocm_smi_text import parse_text

        finished = self._program.run(arguments)
        try:
            return parse_text(finished.stdout, "rocm-smi")
        except Malformed:
            raise self._program.failure(finished, "a card in JSON or text") from None

    def _modes(self) -> Mapping[int, Mapping[str, Any]]:
        """Of each card; nothing in a release that does not know of partitions."""
        try:
            finished = self._program.run((*PARTITIONS, *JSON))
            return parse_json(finished.stdout, "rocm-smi --showcomputepartition --json").cards
        except (Unreadable, Malformed):
            return {}
