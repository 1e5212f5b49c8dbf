"""Reads the Prometheus text format 0.0.4 for comparisons: a reader of its own, so that it cannot share our mistakes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

# Labels that node_exporter has had only since a version after Debian's 1.5.0.
ADDED_LABELS: Final = (("node_disk_info", "rotational"), ("node_filesystem_.*", "device_error"))
# What node_exporter has no longer: newer versions have a fixed list of the fields of /proc/meminfo.
DROPPED: Final = re.compile(
    r"node_memory_(Balloon|EarlyMemtestBad|FileHugePages|FilePmdMapped|GPUActive|GPUReclaim|Hugetlb|KReclaimable"
    r"|SecPageTables|ShadowCallStack|Unaccepted)_bytes"
)
# Families about the exporter itself, or how long it took.
NOT_THE_MACHINE: Final = re.compile(r"(go|process|promhttp|node_exporter)_.*|node_scrape_collector_duration_seconds")

Labels = frozenset[tuple[str, str]]
Series = tuple[str, Labels]


class Scrape(NamedTuple):
    """`samples`: (name, labels) -> number. `types`: name -> type."""

    samples: dict[Series, float]
    types: dict[str, str]


def read(body: bytes) -> Scrape:
    """Raises ValueError for a line that is not in the format, and for a series that comes twice."""
    samples: dict[Series, float] = {}
    types: dict[str, str] = {}
    for line in body.decode().split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif line and not line.startswith("#"):
            name, labels, number = _sample(line)
            if (name, labels) in samples:
                raise ValueError(f"twice: {line!r}")
            samples[name, labels] = number
    return Scrape(samples, types)


def of_the_machine(body: bytes) -> Scrape:
    """What a scrape says of the machine: what both Debian's node_exporter and newer ones say."""
    scrape = read(body)
    left_out = (NOT_THE_MACHINE, DROPPED)
    kept = [key for key in scrape.samples if not any(names.fullmatch(key[0]) for names in left_out)]
    return Scrape({_without_added(key): scrape.samples[key] for key in kept}, scrape.types)


def _without_added(series: Series) -> Series:
    name, labels = series
    added = {label for pattern, label in ADDED_LABELS if re.fullmatch(pattern, name)}
    return name, frozenset(pair for pair in labels if pair[0] not in added)


def _sample(line: str) -> tuple[str, Labels, float]:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise ValueError(f"not a sample: {line!r}")
    name, inside, number = found.groups()
    pairs = _LABEL.findall(inside or "")
    if "".join(f'{key}="{value}",' for key, value in pairs).rstrip(",") != (inside or "").rstrip(","):
        raise ValueError(f"not labels: {line!r}")
    unescaped = {(key, re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], value)) for key, value in pairs}
    return name, frozenset(unescaped), float(number)
