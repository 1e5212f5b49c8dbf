"""nodescope beside Debian's prometheus-node-exporter: CPU, latency and memory on the same collectors: twelve
that read a file or two of procfs each, and all that are on by default.

    python -m tools.bench           measure all and rewrite the tables of docs/benchmarks.md
    python -m tools.bench --check   the same; exit 1 where a bar is missed

Both run at the same time, each in a memory cgroup of its own, and are scraped in turns (A B A B).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nodescope import __version__
from tools import amd_bench, bench_report, big_machine, container_bench, gpu_bench, gpu_machine, rival
from tools.bench_report import Cost, Footprint, Machine
from tools.process_cost import Cpu, MemoryGroup, cpu, memory
from tools.scrape_client import ScrapeClient
from tools.serving import Server, ServerError, nodescope_command, unused_port

PAGE: Final = Path(__file__).resolve().parent.parent / "docs/benchmarks.md"
WARM_UP: Final = 20
STARTS: Final = 5
BURSTS: Final = 5
SIZES: Final = (8, 64, 224)
ACCEPT: Final = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


class Mode(NamedTuple):
    """How scrapes follow each other. `interval_s` 0: back to back."""

    name: str
    interval_s: float
    gzip: bool
    n: int


class Target(NamedTuple):
    """One of the two: its name, and its command line for flags and a port."""

    name: str
    command: Callable[[Sequence[str], int], list[str]]


OWN: Final = "nodescope"
TARGETS: Final = (
    Target(OWN, lambda flags, port: nodescope_command(("exporter", "node", *flags), port)),
    Target("node_exporter", rival.command),
)


class Running:
    """A started target with the time its first scrape took from the start, its cgroup and its log."""

    def __init__(self, target: Target, machine: Machine, folder: Path) -> None:
        self.name = target.name
        self.group = MemoryGroup(target.name)
        port = unused_port()
        collectors = machine.collectors if target.name == OWN else rival.known(machine.collectors)
        flags = (*rival.flags(collectors), "--web.disable-exporter-metrics", *machine.flags)
        command = self.group.enter(target.command(flags, port))
        begin = time.perf_counter()
        try:
            self.server = Server(command, port, folder / f"{target.name}.log", folder)
        except ServerError:
            self.group.close()
            raise
        client = self.client(gzip=False)
        self.body = client.get("/metrics")
        self.first_scrape_s = time.perf_counter() - begin
        client.close()

    def client(self, gzip: bool) -> ScrapeClient:
        headers = {"Accept": ACCEPT, "X-Prometheus-Scrape-Timeout-Seconds": "10"}
        return ScrapeClient(self.server.port, {**headers, **({"Accept-Encoding": "gzip"} if gzip else {})})

    def footprint(self) -> Footprint:
        series = sum(1 for line in self.body.splitlines() if line and not line.startswith(b"#"))
        usage = self.group.usage()
        return Footprint(self.name, series, memory(self.server.pid), usage, self.group.why_not, [])

    def stop(self) -> None:
        self.server.process.terminate()
        self.server.process.wait(10)
        self.group.close()


def timed_get(client: ScrapeClient) -> tuple[float, int]:
    """Seconds that a scrape took, and the bytes of its body."""
    begin = time.perf_counter()
    body = client.get("/metrics")
    return time.perf_counter() - begin, len(body)


def turns(mode: Mode, targets: int) -> list[int]:
    """Which target is scraped, scrape by scrape: A B A B with a fixed interval, in bursts back to back."""
    if mode.interval_s:
        return list(range(targets)) * mode.n
    burst = max(1, mode.n // BURSTS)
    order: list[int] = []
    for begin in range(0, mode.n, burst):
        for target in range(targets):
            order += [target] * min(burst, mode.n - begin)
    return order


def measure(running: Sequence[Running], mode: Mode) -> list[Cost]:
    """Scrapes all in turns. CPU is that of the whole time, so work between scrapes counts as well."""
    clients = [each.client(mode.gzip) for each in running]
    for client in clients:
        for _ in range(WARM_UP):
            client.get("/metrics")
    latencies: list[list[float]] = [[] for _ in running]
    sizes = [0] * len(running)
    before = [cpu(each.server.pid) for each in running]
    due = time.perf_counter()
    for index in turns(mode, len(running)):
        time.sleep(max(0.0, due - time.perf_counter()))
        seconds, sizes[index] = timed_get(clients[index])
        latencies[index].append(seconds)
        due += mode.interval_s / len(running)
    spent: list[Cpu] = [cpu(each.server.pid).since(start) for each, start in zip(running, before, strict=True)]
    for client in clients:
        client.close()
    return [
        Cost(mode.name, mode.gzip, each.name, mode.n, used, sorted(times), size)
        for each, used, times, size in zip(running, spent, latencies, sizes, strict=True)
    ]


def start_times(machine: Machine, folder: Path) -> dict[str, list[float]]:
    """Seconds from the start of each target's process to the end of its first scrape, sorted."""
    found: dict[str, list[float]] = {target.name: [] for target in TARGETS}
    for _ in range(STARTS):
        for target in TARGETS:
            running = Running(target, machine, folder)
            found[target.name].append(running.first_scrape_s)
            running.stop()
    return {name: sorted(times) for name, times in found.items()}


def measure_machine(machine: Machine, modes: Sequence[Mode], folder: Path) -> bench_report.Result:
    starts = start_times(machine, folder)
    running: list[Running] = []
    try:
        for target in TARGETS:
            running.append(Running(target, machine, folder))  # noqa: PERF401 - those started are stopped if one fails
        costs = []
        for mode in modes:
            print(f"{machine.name}: {mode.name}, {'gzip' if mode.gzip else 'plain'}, {mode.n} scrapes each", flush=True)
            costs += measure(running, mode)
        footprints = [each.footprint()._replace(first_scrape_s=starts[each.name]) for each in running]
    finally:
        for each in running:
            each.stop()
    return bench_report.Result(machine, costs, footprints)


SETS: Final = (
    ("twelve collectors", rival.TWELVE, None),
    ("all default collectors", rival.DEFAULTS, bench_report.P99_BAR),
)


def machines(folder: Path) -> tuple[list[Machine], list[str]]:
    """What to measure, and why something is left out."""
    own = "its own /proc and /sys"
    found = [
        Machine(f"this machine, {title}", own, (), bench_report.RSS_BAR_MB, names, p99_bar)
        for title, names, p99_bar in SETS
    ]
    note = "synthetic /proc and /sys of a server with 224 threads; netdev reads this machine's netlink on both"
    try:
        flags = big_machine.make(folder)
    except big_machine.NotHere as reason:
        return found, [f"{reason}."]
    found += [
        Machine(f"big machine, {title}", note, flags, bench_report.RSS_BAR_BIG_MB, names, p99_bar)
        for title, names, p99_bar in SETS
    ]
    return found, []


def measure_growth(folder: Path, n: int) -> list[bench_report.Size]:
    """The big machine at several sizes."""
    sizes = []
    for cpus in SIZES:
        try:
            flags = big_machine.make(folder / str(cpus))
        except big_machine.NotHere:
            return []
        big_machine.shrink(folder / str(cpus), cpus)
        machine = Machine(f"{cpus} CPUs", "", flags, bench_report.RSS_BAR_BIG_MB, rival.DEFAULTS)
        running = [Running(target, machine, folder) for target in TARGETS]
        own, theirs = measure(running, Mode("back to back", 0.0, False, n))
        footprints = (running[0].footprint(), running[1].footprint())
        for each in running:
            each.stop()
        sizes.append(bench_report.Size(cpus, (own, theirs), footprints))
    return sizes


def machine_lines() -> list[str]:
    """What was measured, on what, when."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    total = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    kernel = f"Linux {platform.release()} ({platform.machine()})"
    own = f"nodescope {__version__} on Python {platform.python_version()}"
    return [
        f"Date: {time.strftime('%Y-%m-%d', time.gmtime())}. Command: `make bench`.",
        f"Machine: {models[0] if models else 'unknown CPU'}, {os.cpu_count()} CPUs, {total} MiB, {kernel}.",
        f"{own}; node_exporter {rival.version()} (Debian).",
    ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measure beside node_exporter.")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--print", action="store_true", help="print the tables, leave docs/benchmarks.md as it is")
    parser.add_argument("--n", type=int, default=500, help="scrapes back to back (500)")
    parser.add_argument("--paced", type=int, default=100, help="scrapes at one each second (100)")
    parser.add_argument("--gpu-seconds", type=int, default=30, help="how long GPUs are watched, and scraped (30)")
    parser.add_argument("--container-seconds", type=int, default=12, help="the same of containers (12)")
    options = parser.parse_args(arguments)
    if shutil.which(rival.PROGRAM) is None:
        print(f"{rival.PROGRAM} is not installed (a Debian package): nothing to compare with", file=sys.stderr)
        return 1
    modes = [
        *(Mode("back to back", 0.0, gzip, options.n) for gzip in (False, True)),
        *(Mode("one each second", 1.0, gzip, options.paced) for gzip in (False, True)),
    ]
    with tempfile.TemporaryDirectory(prefix="nodescope-bench-") as name:
        folder = Path(name)
        measured, left_out = machines(folder / "big")
        results = [measure_machine(machine, modes, folder) for machine in measured]
        sizes = measure_growth(folder, options.n // 5)
        gpus: list[gpu_bench.GpuCost] = []
        try:
            print(f"GPUs: {options.gpu_seconds} s each, idle and scraped", flush=True)
            gpus = gpu_bench.measured(folder, options.gpu_seconds)
        except gpu_machine.NotHere as reason:
            left_out.append(f"{reason}.")
        print(f"AMD: {options.gpu_seconds} s each, idle and scraped", flush=True)
        amd = amd_bench.measured(folder, options.gpu_seconds)
        print(f"containers: {options.container_seconds} s each, idle and scraped", flush=True)
        containers, not_measured = container_bench.measured(folder, options.container_seconds)
        left_out += not_measured
    bars = [*bench_report.bars(results), *gpu_bench.bars(gpus), *amd_bench.bars(amd), *container_bench.bars(containers)]
    sections = [
        *map(bench_report.section, results),
        bench_report.growth(sizes),
        gpu_bench.section(gpus),
        amd_bench.section(amd),
        container_bench.section(containers),
    ]
    report = bench_report.text([*machine_lines(), *left_out], sections, bars)
    print(report)
    if not options.print:
        bench_report.write(PAGE, report)
    return 1 if options.check and not all(bar.met for bar in bars) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
