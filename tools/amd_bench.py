"""What watching eight MI300X in 64 partitions and twelve HCAs costs, on a tree whose files move each second.

There is no rival in it: device-metrics-exporter needs its driver and a GPU. A stored tree answers at once, so this is
the cost of nodescope alone; a driver's own is on top of it, for whoever asks it. But each file is opened anew, which on
sysfs it is not.
"""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from nodescope.simulate.amd_tree import AmdPart, write_mi300x
from nodescope.simulate.machine import START_SECONDS
from nodescope.simulate.nvme_tree import write_nvme
from nodescope.simulate.rdma_tree import RdmaPart, write_rdma
from nodescope.simulate.written import write_part
from tools.bench_report import MB, Bar
from tools.gpu_bench import scraped
from tools.markdown import table
from tools.process_cost import cpu, memory
from tools.scrape_client import ScrapeClient
from tools.serving import Server, nodescope_command, unused_port

GPUS: Final = 8
HCAS: Final = 12
SETTLE_S: Final = 8.0
WARM_UP_SCRAPES: Final = 3
PACE_S: Final = 1.0
CONDUCTOR_INTERVAL_S: Final = 30
CYCLE_BAR_MS: Final = 50.0
AGENT_BAR_MB: Final = 50.0
PAGE_BAR_BYTES_PER_SECOND: Final = 1000.0
COLLECTORS: Final = ("gpu", "gpu_rocm", "rdma", "pci", "nvme_fabrics", "link_health")
_DEVICES: Final = ("/dev/kfd", "/dev/dri/", "/dev/infiniband/", "/dev/nvme")


class AmdCost(NamedTuple):
    """CPU in milliseconds of one core, memory in bytes. `open_devices`: device nodes that the agent holds open.
    `conductor_bytes`: of the conductor's page, compressed."""

    series: int
    cycle_ms: float
    scrape_ms: float
    rss: int
    open_devices: int
    conductor_bytes: int


@contextmanager
def moving(root: Path) -> Iterator[None]:
    """A node below `root` whose counters and sensors move each second."""
    parts: tuple[AmdPart | RdmaPart, ...] = (write_mi300x(root, GPUS, "CPX", "NPS4"), write_rdma(root, HCAS))
    write_nvme(root)
    ended = threading.Event()
    began = time.monotonic()

    def move() -> None:
        while not ended.wait(PACE_S):
            for part in parts:
                write_part(root, part, START_SECONDS + time.monotonic() - began)

    thread = threading.Thread(target=move, name="tree")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def per_second(pid: int, meanwhile: Callable[[], object]) -> float:
    """Milliseconds of CPU that a process uses in a second, while something is done.

    Of ticks: devices are read in threads that come and go, which take their finer figure along.
    """
    before, begin = cpu(pid), time.monotonic()
    meanwhile()
    return cpu(pid).since(before).ticks * 1000 / (time.monotonic() - begin)


def open_devices(pid: int) -> int:
    """How many device nodes of GPUs, RDMA devices or drives a process holds open."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith(_DEVICES)
        except FileNotFoundError:
            continue
    return found


def measured(folder: Path, seconds: int) -> AmdCost:
    """One node, sampled each second; scraped each second for as long again."""
    root = folder / "mi300x"
    paths = (f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}")
    only = ("--collector.disable-defaults", *(f"--collector.{name}" for name in COLLECTORS))
    port = unused_port()
    with moving(root):
        alone = Server(
            nodescope_command(("agent", *only, "--web.disable-exporter-metrics", *paths), port),
            port,
            folder / "amd.log",
            folder,
        )
        try:
            time.sleep(SETTLE_S)
            series, _ = scraped(port, WARM_UP_SCRAPES)
            cycle_ms = per_second(alone.pid, lambda: time.sleep(seconds))
            scrape_ms = per_second(alone.pid, lambda: scraped(port, seconds)) - cycle_ms
            rss, devices = memory(alone.pid).rss, open_devices(alone.pid)
        finally:
            alone.stop()
        page = conductor_page(folder, paths)
    return AmdCost(series, cycle_ms, scrape_ms, rss, devices, len(gzip.compress(page)))


def conductor_page(folder: Path, paths: tuple[str, ...]) -> bytes:
    """The page of the role conductor."""
    port = unused_port()
    command = nodescope_command(("exporter", "conductor", "--collector.gpu.interval=1s", *paths), port)
    server = Server(command, port, folder / "conductor.log", folder)
    try:
        time.sleep(SETTLE_S)
        client = ScrapeClient(port, {})
        page = client.get("/metrics")
        client.close()
        return page
    finally:
        server.stop()


def bars(cost: AmdCost) -> Iterator[Bar]:
    """What was promised, beside what was measured."""
    name = f"{GPUS} MI300X in CPX, {HCAS} HCAs"
    yield Bar(f"{name}: CPU of a sample, ms", cost.cycle_ms, CYCLE_BAR_MS)
    yield Bar(f"{name}: RSS of the agent, MB", cost.rss / MB, AGENT_BAR_MB)
    yield Bar(f"{name}: device nodes held open", float(cost.open_devices), 0.0)
    rate = cost.conductor_bytes / CONDUCTOR_INTERVAL_S
    yield Bar(f"{name}: conductor's page, bytes a second compressed", rate, PAGE_BAR_BYTES_PER_SECOND)


def section(cost: AmdCost) -> str:
    """The table of the page."""
    head = ("series", "CPU ms a sample", "CPU ms a scrape", "RSS MB", "device nodes open", "conductor's page, bytes")
    row = (
        str(cost.series),
        f"{cost.cycle_ms:.2f}",
        f"{cost.scrape_ms:.2f}",
        f"{cost.rss / MB:.1f}",
        str(cost.open_devices),
        str(cost.conductor_bytes),
    )
    what = f"{GPUS} MI300X in {8 * GPUS} partitions, {HCAS} HCAs"
    return f"### {what}: collectors {', '.join(COLLECTORS)}\n\n{table(head, [row])}"
