"""node_exporter's end-to-end fixtures against the collectors themselves: the same text, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope import collectors
from nodescope.cli.flags import parse, parser
from nodescope.configuration import load
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host
from nodescope.metric import Family
from nodescope.roles import BY_NAME
from nodescope.sampling import SnapshotCollector
from tests.reference import CASES, LEFT_OUT, case_files

# Of these the samples, of those the values are the machine's that the reference ran on.
SAMPLES_OF_A_MACHINE: Final = re.compile(
    "node_time_(zone_offset_)?seconds|node_network_(receive|transmit)_(bytes|packets)_total|node_textfile_mtime_seconds"
)
VALUES_OF_A_MACHINE: Final = re.compile("node_network_.*_total|node_filesystem_((avail|free|size)_bytes|files(_free)?)")
NOT_OURS: Final = re.compile(rf"{LEFT_OUT}|(go|process|promhttp)_.*|node_(scrape|exporter)_.*")


def collected(flags: tuple[str, ...]) -> Iterator[Family]:
    """All families of the collectors that are on, of those that both have: nodescope's own may have sampled by now."""
    _, given, _ = parse(parser("nodescope", ""), flags)
    settings = load(given, {})
    host = Host(*(settings[f"path.{path}"] for path in ("procfs", "sysfs", "rootfs", "udev.data")))
    for name in BY_NAME["node"].collectors:
        if not settings.collects(name):
            continue
        collector = collectors.build(name, host, settings)
        try:
            yield from collector.collect()
        except Absent:
            continue
        finally:
            if isinstance(collector, SnapshotCollector):
                collector.loop.stop()


def comparable(text: str) -> list[str]:
    """The lines, sorted: help, type and samples; without what belongs to a machine, or to collectors left out."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            family, kept = line.split(" ")[2], line
        else:
            family = re.split("[{ ]", line, maxsplit=1)[0]
            kept = line.rpartition(" ")[0] if VALUES_OF_A_MACHINE.fullmatch(family) else line
            kept = "" if SAMPLES_OF_A_MACHINE.fullmatch(family) else kept
        if not NOT_OURS.fullmatch(family):
            lines.append(kept)
    return sorted(filter(None, lines))


@pytest.mark.parametrize("case", CASES)
def test_every_line_of_the_reference(
    case: str, shared: Path, fixture_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Help, type, labels and the spelling of each value are the reference's, and no line is missing or extra."""
    monkeypatch.chdir(fixture_tree)
    flags, expected = case_files(shared / "conformance/node_exporter", fixture_tree, case)
    ours, theirs = comparable(TextEncoder().encode(collected(flags)).decode()), comparable(expected.read_text())
    assert ours == theirs
    assert len(theirs) > (2 if case.startswith("textfile") else 1500)
