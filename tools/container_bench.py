"""What following 200 containers costs: beside `docker stats` and cAdvisor on a real engine, and on one that is fake.

    python -m tools.container_bench [SECONDS]     measure this part of `make bench` alone, and print its tables

A real dockerd is started for it, with an image made here. The fake one starts containers as fast as no real one does on
a small machine, on stored cgroups, with GPUs whose driver's library is fake: the cost there is nodescope's alone.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from tools import container_rivals, gpu_machine
from tools.bench_report import MB, Bar, bar_table
from tools.container_crowd import Crowd
from tools.container_rivals import CONTAINERS, EXPORTERS, INTERVAL, SETTLE_S, Beside, each_second, spread
from tools.gpu_bench import child_of, scraped
from tools.markdown import table
from tools.process_cost import cpu, memory
from tools.scrape_client import ScrapeClient
from tools.serving import Server, nodescope_command, unused_port

SECONDS: Final = 12
STARTS_PER_SECOND: Final = 50
FILLING_PER_SECOND: Final = 150
FILLING_S: Final = 7.0
"""As many events as the agent keeps in memory: what comes then takes the place of what was."""

HEARD_S: Final = 10.0
MEMORY_SCRAPES: Final = 10
CYCLE_BAR_MS: Final = 60.0
AGENT_BAR_MB: Final = 50.0
GROWTH_BAR_MB: Final = 2.0


class Flood(NamedTuple):
    """Containers that start and end. `made`, `told`: events of the engine, and on the agent's bus. Memory in bytes."""

    seconds: float
    made: int
    told: int
    inferred: int
    dropped: int
    busy_ms: float
    rss_before: int
    rss_after: int


class Crowded(NamedTuple):
    """A node with stored cgroups and 64 processes on 56 partitions of 8 GPUs. CPU of the agent for each sample of all.

    `pss`: of the whole agent with all that is on by default, and of its child, in bytes.
    """

    cycles_ms: list[float]
    scrape_ms: float
    series: int
    agent_pss: int
    child_pss: int


class Cost(NamedTuple):
    """All that was measured; None where it could not be."""

    beside: Beside | None
    flood: Flood
    crowded: Crowded | None


def measured(folder: Path, seconds: int) -> tuple[Cost, list[str]]:
    """`seconds` for each window that is measured. What was left out, and why."""
    left_out: list[str] = []
    beside = crowded = None
    try:
        beside = container_rivals.measured(seconds)
    except container_rivals.NotHere as reason:
        left_out.append(f"Beside docker stats: {reason}.")
    try:
        crowded = measure_crowded(folder, seconds)
    except gpu_machine.NotHere as reason:
        left_out.append(f"Containers with GPUs: {reason}.")
    return Cost(beside, measure_flood(folder, seconds), crowded), left_out


def agent(crowd: Crowd, folder: Path, name: str, *flags: str) -> tuple[Server, int]:
    """An agent that follows the crowd."""
    port = unused_port()
    state = f"--state.directory={folder / name}"
    command = nodescope_command(("agent", *crowd.flags, INTERVAL, state, *flags), port)
    return Server(command, port, folder / f"{name}.log", folder), port


def measure_flood(folder: Path, seconds: int) -> Flood:
    """Containers start and end while others run; RSS: when its memory of events is full, and later."""
    with Crowd(folder / "flood", CONTAINERS).up() as crowd:
        server, port = agent(crowd, folder, "flood-agent", "--collector.disable-defaults", "--collector.container")
        try:
            time.sleep(SETTLE_S)
            told = counters(port)["nodescope_events_total"]
            flooded(crowd, port, FILLING_S, FILLING_PER_SECOND)
            flooded(crowd, port, SETTLE_S, STARTS_PER_SECOND)
            rss, before = memory(server.pid).rss, cpu(server.pid)
            flooded(crowd, port, seconds, STARTS_PER_SECOND)
            busy = cpu(server.pid).since(before).scheduled * 1000 / seconds
            rss_after = memory(server.pid).rss
            crowd.settle()
            found = heard(port, told + crowd.events)
        finally:
            server.stop()
    runtime = "nodescope_container_runtime_{}_total"
    return Flood(
        seconds,
        crowd.events,
        int(found["nodescope_events_total"] - told),
        int(found[runtime.format("inferred_events")]),
        int(found[runtime.format("dropped_events")]),
        busy,
        rss,
        rss_after,
    )


def flooded(crowd: Crowd, port: int, seconds: float, per_second: int) -> None:
    """Containers come and go while the agent is scraped each second."""
    with ThreadPoolExecutor(1) as pool:
        scrapes = pool.submit(scraped, port, round(seconds))
        crowd.flood(seconds, per_second)
        scrapes.result()


def counters(port: int) -> dict[str, float]:
    """Each series' number by the name of its metric; of a metric with several, the sum."""
    client = ScrapeClient(port, {"Accept": "text/plain;version=0.0.4"})
    body = client.get("/metrics").decode()
    client.close()
    found: dict[str, float] = {}
    for line in body.splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("{", 1)[0].split(" ", 1)[0], line.rsplit(" ", 1)[1]
            found[name] = found.get(name, 0.0) + float(value)
    return found


def heard(port: int, events: float) -> dict[str, float]:
    """The counters once so many events were told, or when it is too late for that."""
    deadline = time.monotonic() + HEARD_S
    # The newest sample of containers has its own counters; they are as new as it is.
    time.sleep(3.0)
    found = counters(port)
    while found["nodescope_events_total"] < events and time.monotonic() < deadline:
        time.sleep(0.5)
        found = counters(port)
    return found


def measure_crowded(folder: Path, seconds: int) -> Crowded:
    """Containers of which 64 have a process on a partition of a GPU. Raises `gpu_machine.NotHere`."""
    pids = tuple(int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1")[: gpu_machine.PROCESSES]
    library = gpu_machine.make(folder, True, pids)
    gpus = (f"--collector.gpu.nvml-library={library}", "--collector.gpu.kmsg=")
    shown = ("--collector.container", "--collector.gpu", "--web.disable-exporter-metrics")
    with Crowd(folder / "crowd", CONTAINERS, pids).up() as crowd:
        server, port = agent(crowd, folder, "crowd-agent", *gpus, "--collector.disable-defaults", *shown)
        try:
            time.sleep(SETTLE_S)
            series, _ = scraped(port, 1)
            cycles = each_second(server.pid, seconds)
            before = cpu(server.pid)
            scraped(port, seconds)
            scrape_ms = cpu(server.pid).since(before).scheduled * 1000 / seconds - statistics.mean(cycles)
        finally:
            server.stop()
        server, port = agent(crowd, folder, "whole-agent", *gpus)
        try:
            time.sleep(SETTLE_S)
            scraped(port, MEMORY_SCRAPES)
            agent_pss, child_pss = memory(server.pid).pss, memory(child_of(server.pid)).pss
        finally:
            server.stop()
    return Crowded(cycles, max(0.0, scrape_ms), series, agent_pss, child_pss)


def bars(cost: Cost) -> Iterator[Bar]:
    """What was promised, beside what was measured."""
    if cost.beside is not None:
        for one in cost.beside.watching[: len(EXPORTERS)]:
            what = f"{cost.beside.containers} containers, {one.name}: CPU of a cycle, ms"
            yield Bar(what, statistics.median(one.cycles_ms), CYCLE_BAR_MS)
    if cost.crowded is not None:
        name = f"{CONTAINERS} containers, 8 GPUs x 7 MIG"
        yield Bar(f"{name}: CPU of a cycle, ms", statistics.median(cost.crowded.cycles_ms), CYCLE_BAR_MS)
        whole = (cost.crowded.agent_pss + cost.crowded.child_pss) / MB
        yield Bar(f"{name}, all on by default: PSS of agent and child, MB", whole, AGENT_BAR_MB)
    flood = cost.flood
    name = f"{STARTS_PER_SECOND} containers start and end a second"
    yield Bar(f"{name}: events lost or told twice", float(abs(flood.made - flood.told) + flood.dropped), 0.0)
    yield Bar(f"{name}: growth of RSS, MB", (flood.rss_after - flood.rss_before) / MB, GROWTH_BAR_MB)


def section(cost: Cost) -> str:
    """The tables of the page."""
    return "\n".join(filter(None, (container_rivals.section(cost.beside), _crowded(cost.crowded), _flood(cost.flood))))


def _crowded(crowded: Crowded | None) -> str:
    if crowded is None:
        return ""
    head = ("series", "CPU ms a cycle", "mean", "CPU ms a scrape", "whole agent PSS MB", "its child PSS MB")
    row = (
        str(crowded.series),
        *spread(crowded.cycles_ms),
        f"{crowded.scrape_ms:.2f}",
        f"{crowded.agent_pss / MB:.1f}",
        f"{crowded.child_pss / MB:.1f}",
    )
    what = f"### {CONTAINERS} containers with {gpu_machine.PROCESSES} processes on 8 GPUs x 7 MIG: stored cgroups"
    return f"{what}\n\n{table(head, [row])}"


def _flood(flood: Flood) -> str:
    head = ("seconds", "events made", "told", "inferred", "dropped", "CPU ms a second", "RSS MB before", "after")
    row = (
        f"{flood.seconds:g}",
        *(str(count) for count in (flood.made, flood.told, flood.inferred, flood.dropped)),
        f"{flood.busy_ms:.1f}",
        f"{flood.rss_before / MB:.1f}",
        f"{flood.rss_after / MB:.1f}",
    )
    what = f"### {STARTS_PER_SECOND} containers start and end a second beside {CONTAINERS}: an engine that is fake"
    return f"{what}\n\n{table(head, [row])}"


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="nodescope-bench-") as folder:
        cost, left_out = measured(Path(folder), int(arguments[0]) if arguments else SECONDS)
    print("\n".join([*left_out, section(cost), bar_table(bars(cost))]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
