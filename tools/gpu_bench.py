"""What watching eight GPUs costs: CPU and memory of the agent and of its child, on a driver's library that is fake.

There is no rival in it: dcgm-exporter needs DCGM and a GPU. The fake library answers at once, so this is the cost of
nodescope alone; a real driver's own is on top of it, for whoever asks it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools import gpu_machine
from tools.bench_report import MB, Bar, percentile
from tools.markdown import table
from tools.process_cost import cpu, memory
from tools.scrape_client import ScrapeClient
from tools.serving import Server, nodescope_command, unused_port

SETTLE_S: Final = 8.0
MEMORY_SCRAPES: Final = 10
WARM_UP_SCRAPES: Final = 3
CYCLE_BAR_MS: Final = 50.0
SCRAPE_BAR_MS: Final = 8.0
CHILD_BAR_MB: Final = 20.0
AGENT_BAR_MB: Final = 50.0
STEADY_BAR_PERCENT: Final = 10.0
ACCEPT: Final = {"Accept": "text/plain;version=0.0.4"}


class GpuCost(NamedTuple):
    """One machine. CPU in milliseconds of one core, for each sample of all GPUs or each scrape; memory in bytes."""

    name: str
    series: int
    child_cycle_ms: float
    agent_cycle_ms: float
    scrape_ms: float
    scrape_p99_ms: float
    child_rss: int
    child_pss: int
    agent_pss: int

    @property
    def cycle_ms(self) -> float:
        return self.child_cycle_ms + self.agent_cycle_ms

    @property
    def pss(self) -> int:
        return self.child_pss + self.agent_pss


def child_of(pid: int) -> int:
    """The process that the agent has started. Raises `RuntimeError` where there is not one alone."""
    children: list[str] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += (task / "children").read_text().split()
    if len(children) != 1:
        raise RuntimeError(f"process {pid} has the children {children}, expected the one that reads the GPUs")
    return int(children[0])


def measure(name: str, library: Path, folder: Path, seconds: int) -> GpuCost:
    """Memory is that of the agent with all that is on by default; CPU that of one which reads GPUs alone."""
    port = unused_port()
    flags = (f"--collector.gpu.nvml-library={library}", f"--state.directory={folder}", "--collector.gpu.kmsg=")
    whole = Server(nodescope_command(("agent", *flags), port), port, folder / "agent.log", folder)
    try:
        time.sleep(SETTLE_S)
        scraped(port, MEMORY_SCRAPES)
        child_memory, agent_memory = memory(child_of(whole.pid)), memory(whole.pid)
    finally:
        whole.stop()
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.gpu_dcgm", "--web.disable-exporter-metrics")
    alone = Server(nodescope_command(("agent", *only, *flags), port), port, folder / "gpus.log", folder)
    try:
        time.sleep(SETTLE_S)
        series, _ = scraped(port, WARM_UP_SCRAPES)
        child = child_of(alone.pid)
        idle_ms, child_ms = (spent(pid, seconds) for pid in (alone.pid, child))
        before, begin = cpu(alone.pid), time.monotonic()
        _, latencies = scraped(port, seconds)
        scraping_ms = cpu(alone.pid).since(before).scheduled * 1000 - idle_ms * (time.monotonic() - begin)
    finally:
        alone.stop()
    return GpuCost(
        name,
        series,
        child_ms,
        idle_ms,
        scraping_ms / seconds,
        percentile(sorted(latencies), 99) * 1000,
        child_memory.rss,
        child_memory.pss,
        agent_memory.pss,
    )


def spent(pid: int, seconds: int) -> float:
    """Milliseconds of CPU that a process uses in a second, which is one sample, while nobody asks for anything."""
    before = cpu(pid)
    time.sleep(seconds)
    return cpu(pid).since(before).scheduled * 1000 / seconds


def scraped(port: int, n: int) -> tuple[int, list[float]]:
    """`n` scrapes, one each second: the series of the last, and how long each took."""
    client = ScrapeClient(port, ACCEPT)
    body, latencies = b"", []
    for _ in range(n):
        begin = time.monotonic()
        body = client.get("/metrics")
        latencies.append(time.monotonic() - begin)
        time.sleep(max(0.0, 1.0 - latencies[-1]))
    client.close()
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#")), latencies


def measured(folder: Path, seconds: int) -> list[GpuCost]:
    """Eight whole GPUs, and eight in seven MIG instances each. Raises `gpu_machine.NotHere`."""
    return [
        measure(name, gpu_machine.make(folder, partitioned), folder, seconds)
        for name, partitioned in (("8 GPUs", False), ("8 GPUs x 7 MIG", True))
    ]


def bars(costs: Sequence[GpuCost]) -> Iterator[Bar]:
    """What was promised, beside what was measured."""
    for cost in costs:
        yield Bar(f"{cost.name}: CPU of a sample, ms", cost.cycle_ms, CYCLE_BAR_MS)
        yield Bar(f"{cost.name}: CPU at one sample a second, percent", cost.cycle_ms / 10, STEADY_BAR_PERCENT)
        yield Bar(f"{cost.name}: CPU of a scrape, ms", cost.scrape_ms, SCRAPE_BAR_MS)
        yield Bar(f"{cost.name}: RSS of the child, MB", cost.child_rss / MB, CHILD_BAR_MB)
        yield Bar(f"{cost.name}: PSS of agent and child, MB", cost.pss / MB, AGENT_BAR_MB)


def section(costs: Sequence[GpuCost]) -> str:
    """The table of the page; nothing where nothing was measured."""
    if not costs:
        return ""
    head = (
        "machine",
        "series",
        "child, CPU ms a sample",
        "agent, CPU ms a sample",
        "CPU ms a scrape",
        "p99 ms of a scrape",
        "child RSS MB",
        "child PSS MB",
        "agent PSS MB",
    )
    rows = (
        (
            cost.name,
            str(cost.series),
            f"{cost.child_cycle_ms:.2f}",
            f"{cost.agent_cycle_ms:.2f}",
            f"{cost.scrape_ms:.2f}",
            f"{cost.scrape_p99_ms:.2f}",
            f"{cost.child_rss / MB:.1f}",
            f"{cost.child_pss / MB:.1f}",
            f"{cost.agent_pss / MB:.1f}",
        )
        for cost in costs
    )
    return f"### GPUs: 64 processes, collectors gpu and gpu_dcgm, one sample a second\n\n{table(head, rows)}"
