"""What rocm-smi prints for people -> cards, where a release gives no JSON.

Source: rocm_smi.py of ROCm 4 to 7: a line "GPU[0] : label: value" for each value, a table of processes with tabs
between its columns, and "label: value" of the whole system. All other lines are rules and titles.
"""

from __future__ import annotations

import re
from typing import Any, Final

from nodescope.devices.amd.rocm_smi_labels import normal_label
from nodescope.devices.amd.rocm_smi_told import MAX_CARDS, Cards
from nodescope.devices.amd.smi_json import MAX_OUTPUT_BYTES
from nodescope.host import Malformed, text

MAX_LINES: Final = 65_536
MAX_LABELS: Final = 1024
PROCESS_COLUMNS: Final = 6

_OF_CARD: Final = re.compile(r"GPU\[([0-9]{1,4})\]\s*:\s*(.*)", re.DOTALL)
_COLOUR: Final = re.compile("\x1b\\[[0-9;]{0,16}m")


def parse_text(raw: bytes, source: str) -> Cards:
    """All cards. Raises `Malformed` where there is none."""
    cards: dict[int, dict[str, Any]] = {}
    system: dict[str, Any] = {}
    for line in text(raw[:MAX_OUTPUT_BYTES]).split("\n", MAX_LINES)[:MAX_LINES]:
        line = _COLOUR.sub("", line).strip("\r")
        found = _OF_CARD.fullmatch(line.strip())
        if found is None:
            _take_other(line, system)
        elif len(cards) < MAX_CARDS or int(found[1]) in cards:
            _take(found[2], cards.setdefault(int(found[1]), {}))
    if not cards:
        raise Malformed(source, raw.strip(), "lines with GPU[0] : label: value")
    return Cards(cards, system)


def _take(told: str, labels: dict[str, Any]) -> None:
    """The label may hold a colon, the value none with a space behind it."""
    label, colon, value = told.rpartition(": ")
    if not colon:
        label, colon, value = told.partition(":")
    if colon and len(labels) < MAX_LABELS:
        labels.setdefault(normal_label(label), value.strip())


def _take_other(line: str, system: dict[str, Any]) -> None:
    """The driver's version, and lines of the table of processes."""
    label, colon, value = line.partition(": ")
    columns = [column.strip() for column in line.strip("\t ").split("\t")]
    if colon and normal_label(label) == "driver version":
        system["driver version"] = value.strip()
    elif len(columns) == PROCESS_COLUMNS and columns[0].isdecimal() and len(system) < MAX_LABELS:
        system[f"pid{columns[0]}"] = ", ".join(columns[1:])
