"""What rocm-smi prints -> GPUs with their readings: cards by number, and what is of the whole system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from nodescope.devices.amd.rocm_smi_labels import metric_entry, static_entry
from nodescope.devices.amd.smi_json import Entry, documents
from nodescope.devices.amd.smi_records import Answers, Told, told
from nodescope.devices.amd.smi_values import name
from nodescope.host import Malformed

MAX_CARDS: Final = 1024
MAX_PROCESSES: Final = 1024
PROCESS_FIELDS: Final = 4
"""Behind the name: GPUs, VRAM and SDMA used, CU occupancy, which is a share of units that rocm-smi does not count."""

_CARD: Final = re.compile("card([0-9]{1,4})")
_PID: Final = re.compile("pid([0-9]{1,10})")


class Cards(NamedTuple):
    """Labels of each card by its number; labels of the system."""

    cards: Mapping[int, Mapping[str, Any]]
    system: Mapping[str, Any]


def parse_json(raw: bytes, source: str) -> Cards:
    """All cards of `rocm-smi --json`, labels in lower case. Raises `Malformed` where there is none."""
    cards: dict[int, dict[str, Any]] = {}
    system: dict[str, Any] = {}
    for document in documents(raw, source):
        for key, labels in document.items() if isinstance(document, dict) else ():
            if not isinstance(labels, dict):
                continue
            # "sclk clock speed:" has its colon in JSON.
            labels = {label.rstrip(": "): value for label, value in labels.items()}
            card = _CARD.fullmatch(key)
            if card is not None and len(cards) < MAX_CARDS:
                cards.setdefault(int(card[1]), {}).update(labels)
            elif key == "system":
                system.update(labels)
    if not cards and not system:
        raise Malformed(source, raw.strip(), "an object with card0 ...")
    return Cards(cards, system)


def told_of(found: Cards, now: float) -> tuple[Told, ...]:
    """Every card. `now`: the monotonic time of the readings."""
    version = name(found.system.get("driver version"))
    static = [static_entry(number, labels, version) for number, labels in found.cards.items()]
    metric = [metric_entry(number, labels) for number, labels in found.cards.items()]
    process = _process_entries(found)
    # Fragments: what has no reading at all is told of as amd-smi's is.
    return told(Answers(static=static, metric=metric, process=process), now)


def _process_entries(found: Cards) -> list[Entry]:
    """In amd-smi's form. On how many GPUs a process is is told and not on which: known are those on all, or on the
    only one; others have an entry that says nothing."""
    cards = len(found.cards)
    on_each = [process if cards in (1, count) else {} for count, process in _processes(found.system) if count]
    return [{"gpu": number, "process_list": on_each} for number in found.cards]


def _processes(system: Mapping[str, Any]) -> Iterator[tuple[int, Entry]]:
    """On how many GPUs, and the process; of one on several nobody knows what it has of which."""
    listed = [(pid, value) for label, value in system.items() if (pid := _PID.fullmatch(label))]
    for pid, value in listed[:MAX_PROCESSES]:
        words = [word.strip() for word in str(value).rsplit(",", PROCESS_FIELDS)]
        if len(words) != PROCESS_FIELDS + 1 or not words[1].isdecimal():
            continue
        process: Entry = {"pid": pid[1], "name": words[0].replace(", ", " ")}
        if words[1] == "1":
            process |= {"memory_usage": {"vram_mem": words[2]}, "sdma_usage": words[3]}
        yield int(words[1]), process
