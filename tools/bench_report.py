"""The benchmark's figures as Markdown, the ratios and the bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools.markdown import table
from tools.process_cost import Cpu, Memory

CPU_BAR: Final = 1 / 3
CPU_AIM: Final = 1 / 4
RSS_BAR_MB: Final = 30.0
RSS_BAR_BIG_MB: Final = 34.0
P99_BAR: Final = 1 / 2
DESCRIPTORS_BAR: Final = 2048
MB: Final = 1024 * 1024
BEGIN: Final = "<!-- bench:begin (written by `make bench`) -->"
END: Final = "<!-- bench:end -->"

LEGEND: Final = f"""\
CPU ms: CPU time of the process for each scrape, all of it, by the scheduler's nanoseconds (ticks: by utime and stime).
Latency is seen by a keep-alive client. cgroup: all memory charged to the process's own cgroup, page cache of what it
loaded first included. First scrape: from the start of the process to the end of its first answer, median. MB are
1,048,576 bytes. The aim for CPU is {CPU_AIM:.2f}."""


class Machine(NamedTuple):
    """What is measured: its name, how it is made, the flags that point at it, the most RSS in MB.

    `collectors` that both programs run; `p99_bar` of the rival's, where there is one.
    """

    name: str
    note: str
    flags: tuple[str, ...]
    rss_bar_mb: float
    collectors: tuple[str, ...] = ()
    p99_bar: float | None = None


class Cost(NamedTuple):
    """One target in one mode. `cpu` is of all `n` scrapes; `latencies_s` are sorted."""

    mode: str
    gzip: bool
    target: str
    n: int
    cpu: Cpu
    latencies_s: list[float]
    body_bytes: int

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU for each scrape, by the scheduler's count."""
        return self.cpu.scheduled / self.n * 1000


class Footprint(NamedTuple):
    """One target at the end. `group`: bytes charged to its cgroup, and the kernel's among them."""

    target: str
    series: int
    memory: Memory
    group: tuple[int, int] | None
    why_no_group: str
    first_scrape_s: list[float]


class Result(NamedTuple):
    """One machine's figures; the first target is nodescope, the second the rival."""

    machine: Machine
    costs: list[Cost]
    footprints: list[Footprint]


class Bar(NamedTuple):
    """A promise, what was measured, and whether it holds."""

    what: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        return self.measured <= self.limit


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def pairs(result: Result) -> Iterator[tuple[Cost, Cost]]:
    """(nodescope, rival) of each mode."""
    return zip(result.costs[::2], result.costs[1::2], strict=True)


def bars(results: Sequence[Result]) -> list[Bar]:
    found = []
    for result in results:
        for own, rival in pairs(result):
            mode = f"{result.machine.name}, {own.mode}, {'gzip' if own.gzip else 'plain'}"
            found.append(Bar(f"{mode}: CPU / node_exporter's", own.cpu_ms / rival.cpu_ms, CPU_BAR))
            if result.machine.p99_bar is not None:
                slow, theirs = (percentile(each.latencies_s, 99) for each in (own, rival))
                found.append(Bar(f"{mode}: p99 / node_exporter's", slow / theirs, result.machine.p99_bar))
        descriptors = result.footprints[0].memory.descriptors
        found.append(Bar(f"{result.machine.name}: open descriptors", descriptors, DESCRIPTORS_BAR))
        rss = result.footprints[0].memory.rss / MB
        found.append(Bar(f"{result.machine.name}: RSS in MB", rss, result.machine.rss_bar_mb))
    return found


def cost_rows(result: Result) -> Iterator[tuple[str, ...]]:
    for cost in result.costs:
        yield (
            cost.mode,
            "yes" if cost.gzip else "no",
            cost.target,
            str(cost.n),
            f"{cost.cpu_ms:.2f}",
            f"{cost.cpu.ticks / cost.n * 1000:.2f}",
            f"{percentile(cost.latencies_s, 50) * 1000:.2f}",
            f"{percentile(cost.latencies_s, 99) * 1000:.2f}",
            str(cost.body_bytes),
        )


def footprint_rows(result: Result) -> Iterator[tuple[str, ...]]:
    for each in result.footprints:
        group = f"{each.group[0] / MB:.1f} / {each.group[1] / MB:.1f}" if each.group else "-"
        yield (
            each.target,
            str(each.series),
            f"{each.memory.rss / MB:.1f}",
            f"{each.memory.pss / MB:.1f}",
            group,
            str(each.memory.threads),
            str(each.memory.descriptors),
            f"{percentile(each.first_scrape_s, 50) * 1000:.0f}",
        )


def section(result: Result) -> str:
    cost_head = ("scrapes", "gzip", "target", "n", "CPU ms", "CPU ms (ticks)", "p50 ms", "p99 ms", "body bytes")
    memory_head = (
        "target",
        "series",
        "RSS MB",
        "PSS MB",
        "cgroup MB / kernel's",
        "threads",
        "descriptors",
        "first scrape ms",
    )
    why = "".join(f"\n{each.target}: {each.why_no_group}.\n" for each in result.footprints if each.why_no_group)
    return (
        f"### {result.machine.name}: {result.machine.note}\n\n{table(cost_head, cost_rows(result))}\n"
        f"{table(memory_head, footprint_rows(result))}{why}"
    )


def bar_table(found: Iterable[Bar]) -> str:
    rows = [(bar.what, f"{bar.measured:.2f}", f"{bar.limit:.2f}", "met" if bar.met else "missed") for bar in found]
    return table(("bar", "measured", "limit", ""), rows)


class Size(NamedTuple):
    """The big machine with so many CPUs: what one scrape of it costs each program, back to back, plain."""

    cpus: int
    costs: tuple[Cost, Cost]
    footprints: tuple[Footprint, Footprint]


def growth(sizes: Sequence[Size]) -> str:
    """What one scrape costs as the machine grows."""
    if not sizes:
        return ""
    head = ("CPUs", "target", "series", "CPU ms", "CPU ms for 1,000 series", "RSS MB", "descriptors")
    rows = [
        (
            str(size.cpus),
            cost.target,
            str(footprint.series),
            f"{cost.cpu_ms:.2f}",
            f"{cost.cpu_ms / footprint.series * 1000:.2f}",
            f"{footprint.memory.rss / MB:.1f}",
            str(footprint.memory.descriptors),
        )
        for size in sizes
        for cost, footprint in zip(size.costs, size.footprints, strict=True)
    ]
    title = "### Growth: the big machine with fewer CPUs, network and block devices, all default collectors"
    return f"{title}\n\n{table(head, rows)}"


def text(lines: Sequence[str], sections: Iterable[str], found: Iterable[Bar]) -> str:
    """All that stands between the markers."""
    parts = ["\n".join(lines), LEGEND, *filter(None, sections), f"### Bars\n\n{bar_table(found)}"]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def write(path: Path, report: str) -> None:
    """Puts the report between the markers of a page; makes the page where there is none."""
    page = path.read_text() if path.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: the markers {BEGIN} and {END} are not there")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{head}{BEGIN}\n{report}{END}{tail}")
