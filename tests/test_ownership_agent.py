"""Whose the GPUs are, on whole machines: on every page of an agent what holders have sums to what the GPU has.

All numbers on a page are the shortest text that reads back as the same float, so the sums are compared as exact
fractions, without any allowance. Energy counts from when the agent first saw the GPU: it is compared with how far the
GPU's own counter, whole millijoules, has come since.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.simulate.amd_machine import Mi300xPart
from nodescope.simulate.machine import cpus_of
from nodescope.simulate.written import START_SECONDS, write_part
from tests.live.samples import read
from tools.serving import Server

WATCHED_S: Final = 12.0
WATCHES: Final = 4
"""At most: on a busy machine less happens in one."""
FIRST_S: Final = 40.0
SCRAPERS: Final = 2
RESET_MILLIJOULES: Final = 10**8
"""Far more than between two pages."""
OWN: Final = "nodescope_gpu_attributed_"
TOLD: Final = {
    "memory_bytes": (("hw_gpu_memory_usage_bytes", {}), ("hw_gpu_instance_memory_usage_bytes", {})),
    "utilization_ratio": (
        ("hw_gpu_utilization_ratio", {"hw_gpu_task": "general"}),
        ("hw_gpu_instance_utilization_ratio", {"hw_gpu_task": "general"}),
        ("hw_gpu_instance_profiling_utilization_ratio", {"unit": "graphics"}),
    ),
    "power_watts": (("hw_power_watts", {"hw_type": "gpu"}),),
}
"""Of each quantity the families that tell it of a whole GPU, or of a partition."""
TRUTH_LINES: Final = 6000
"""More than two moments have."""
MACHINES: Final = {
    "h200x8": "lost@900+120:gpu0,reset_required@950+90:gpu1,throttle@900+200:gpu7,mig@1000+150:gpu3,driver@1200+90",
    "h200x8-mig": "lost@900+120:gpu0,hang@1000+60:gpu3,driver@1200+90",
    "mi300x8": "",
    "mi300x8-cpx": "",
}
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Page:
    """One scrape. `joules`: the energy of all holders of a GPU; `counters`: millijoules that the GPU itself counts."""

    def __init__(self, samples: Samples) -> None:
        self.told: dict[str, dict[str, float]] = {quantity: {} for quantity in TOLD}
        self.held: dict[str, dict[str, Fraction]] = {quantity: defaultdict(Fraction) for quantity in TOLD}
        self.joules: dict[str, Fraction] = defaultdict(Fraction)
        self.counters: dict[str, int] = {}
        self.holders: set[tuple[str, str]] = set()
        self.parts: dict[str, set[str]] = defaultdict(set)
        wanted = {name: (quantity, more) for quantity, families in TOLD.items() for name, more in families}
        for (name, pairs), value in samples.items():
            labels = dict(pairs)
            quantity, more = wanted.get(name, ("", {}))
            if quantity and more.items() <= labels.items():
                self.told[quantity][labels["hw_id"]] = value
            elif name == "hw_energy_joules_total" and labels.get("hw_type") == "gpu":
                self.counters[labels["hw_id"]] = round(Fraction(value) * 1000)
            elif name == "hw_gpu_instance_info":
                self.parts[labels["hw_parent"]].add(labels["hw_id"])
            elif name.startswith(OWN):
                assert value >= 0, (name, labels)
                self._add(name.removeprefix(OWN), labels, value)

    def _add(self, quantity: str, labels: Mapping[str, str], value: float) -> None:
        device, holder = labels["hw_id"], labels["holder"]
        self.holders.add((device, holder))
        if quantity == "energy_joules_total":
            self.joules[device] += Fraction(value)
        else:
            self.held[quantity][device] += Fraction(value)

    def checked(self) -> int:
        """How many sums were compared; each device that tells a quantity has it divided, itself or in its parts."""
        compared = 0
        for quantity, held in self.held.items():
            told = self.told[quantity]
            for device, total in held.items():
                assert total == Fraction(told[device]), (quantity, device, float(total), told[device])
                compared += 1
            for device in told:
                divided = device in held or bool(self.parts.get(device, set()) & held.keys())
                assert divided or any(device in parts and gpu in held for gpu, parts in self.parts.items()), device
        return compared


class Watch:
    """Scrapes an agent from several threads at once, and keeps the pages."""

    def __init__(self, server: Server, get: Callable[..., Any]) -> None:
        self._server = server
        self._get = get
        self.pages: list[Page] = []
        self.wrong: list[Exception | AssertionError] = []

    def page(self) -> Page:
        return Page(read(self._get(self._server.port, "/metrics").body).samples)

    def until(self, enough: Callable[[Page], bool]) -> None:
        deadline = time.monotonic() + FIRST_S
        while not enough(self.page()):
            assert time.monotonic() < deadline, self._server.log
            time.sleep(0.2)

    def while_(self, happens: Callable[[], None]) -> None:
        """Scrapes until all that `happens` has."""
        done = threading.Event()
        thread = threading.Thread(target=self._run, args=(FIRST_S, done))
        thread.start()
        try:
            happens()
        finally:
            done.set()
            thread.join()
        assert self.wrong == []

    def watch(self, seconds: float) -> None:
        threads = [threading.Thread(target=self._run, args=(seconds,)) for _ in range(SCRAPERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.wrong == []

    def _run(self, seconds: float, done: threading.Event | None = None) -> None:
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline and not (done and done.is_set()):
                self.pages.append(self.page())
                time.sleep(0.05)
        except (AssertionError, OSError, ValueError) as error:
            self.wrong.append(error)


def check_energy(pages: list[Page]) -> int:
    """On every page all of a GPU's energy since it was first seen is someone's, to the millijoule.

    Of threads that scrape at once pages may be out of order; a counter that has begun anew is one that went far back.
    """
    began: dict[str, int] = {}
    last: dict[str, int] = {}
    compared = 0
    for page in pages:
        for device, counter in page.counters.items():
            joules = page.joules[device]
            if counter < last.setdefault(device, counter) - RESET_MILLIJOULES:
                del began[device]
            last[device] = counter
            start = began.setdefault(device, counter - round(joules * 1000))
            assert joules == Fraction((counter - start) / 1000), (device, float(joules), counter, start)
            compared += 1
    return compared


@pytest.mark.parametrize("machine", MACHINES)
def test_on_every_page_the_parts_sum_to_the_whole(
    machine: str, agent_process: Callable[..., Server], http_get: Callable[..., Any]
) -> None:
    """While loads move, jobs come and go and GPUs are lost and return, holders have together what each GPU has."""
    flags = [f"--simulate={machine}", "--simulate.speed=90", "--simulate.seed=134", "--collector.gpu.interval=200ms"]
    if MACHINES[machine]:
        flags.append(f"--simulate.faults={MACHINES[machine]}")
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.container")
    server = agent_process("agent", *only, *flags, "--collector.container.interval=500ms")
    watch = Watch(server, http_get)
    watch.until(lambda page: any(len(holder) == 64 for _, holder in page.holders))
    for _ in range(WATCHES):
        watch.watch(WATCHED_S)
        missing = not_seen(machine, watch.pages)
        if not missing:
            break
    assert not missing
    assert sum(page.checked() for page in watch.pages) > 20 * len(watch.pages)
    assert check_energy(watch.pages) > len(watch.pages)


def not_seen(machine: str, pages: list[Page]) -> list[str]:
    """What has not happened yet of that which the sums must outlast."""
    holders = {holder for page in pages for _, holder in page.holders}
    kinds = {holder.partition(":")[0] for holder in holders}
    happened = {kind: kind in kinds for kind in ("job", "user", "unattributed")}
    if MACHINES[machine]:
        happened["a GPU is gone"] = min(len(page.counters) for page in pages) < 8
    if machine == "h200x8":
        happened["partitions"] = any(page.parts for page in pages)
        happened["no partitions"] = any(not page.parts for page in pages)
        happened["another job"] = len({holder for holder in holders if holder.startswith("job:")}) > 1
    return [name for name, has in happened.items() if not has]


def true_memory(path: Path) -> dict[tuple[str, str], float]:
    """What each holder's processes have of each GPU or instance, of the newest moment that is whole."""
    moments: dict[float, list[dict[str, Any]]] = defaultdict(list)
    said = path.read_bytes() if path.is_file() else b""
    for line in said.rpartition(b"\n")[0].splitlines()[-TRUTH_LINES:]:
        row = json.loads(line)
        moments[row["virtual_seconds"]].append(row)
    rows = moments[sorted(moments)[-2]] if len(moments) > 1 else []
    devices = {row["labels"]["pid"]: row["labels"] for row in rows if row["metric"] == "gpu_process_holder"}
    found: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        if row["metric"] == "gpu_process_memory_used_bytes":
            labels = devices[row["labels"]["pid"]]
            found[labels.get("instance") or labels["uuid"], labels["holder"]] += row["value"]
    return dict(found)


@pytest.mark.parametrize("machine", ["h200x8", "h200x8-mig"])
def test_each_has_what_is_true(
    machine: str, agent_process: Callable[..., Server], http_get: Callable[..., Any], tmp_path: Path
) -> None:
    """Containers, pods, jobs and users have the memory that the simulation says their processes have, and no others."""
    truth = tmp_path / "truth"
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.container")
    flags = (f"--simulate={machine}", "--simulate.seed=134", f"--simulate.truth-file={truth}")
    server = agent_process("agent", *only, *flags, "--collector.container.interval=500ms")

    def told() -> dict[tuple[str, str], float]:
        labelled = [
            (dict(pairs), value)
            for (name, pairs), value in read(http_get(server.port, "/metrics").body).samples.items()
            if name == f"{OWN}memory_bytes"
        ]
        return {(row["hw_id"], row["holder"]): value for row, value in labelled if row["holder"] != "unattributed"}

    deadline = time.monotonic() + FIRST_S
    while not (true := true_memory(truth)) or true != told():
        assert time.monotonic() < deadline, (true, told())
        time.sleep(0.3)
    assert {len(holder) == 64 or holder.partition(":")[0] for _, holder in true} >= {True, "job"}


def remove(root: Path, address: str) -> Callable[[], None]:
    """Takes a GPU off the bus; what puts it back there, the GPU first and then its names."""
    place = (root / f"sys/bus/pci/devices/{address}").resolve()
    links: dict[Path, str] = {}
    for link in [*root.glob("sys/class/drm/*"), *root.glob("sys/bus/pci/d*/**/*")]:
        if link.is_symlink() and address in f"{os.readlink(link)} {link.name}":
            links[link] = os.readlink(link)
            link.unlink()
    away = root / "away"
    place.rename(away)

    def back() -> None:
        away.rename(place)
        for link, target in links.items():
            link.symlink_to(target)

    return back


def test_on_a_node_of_amds_that_changes(
    agent_process: Callable[..., Server], http_get: Callable[..., Any], tmp_path: Path
) -> None:
    """A GPU leaves the bus and is back, a holder ends, all GPUs are partitioned: on no page is a byte or watt lost."""
    root = tmp_path / "node"
    parts = {kind: Mi300xPart(3, cpus_of(3), kind) for kind in ("SPX", "CPX")}
    write_part(root, parts["SPX"])
    paths = (f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}")
    only = ("--collector.disable-defaults", "--collector.gpu", "--collector.container")
    often = ("--collector.gpu.interval=200ms", "--collector.container.interval=500ms")
    watch = Watch(agent_process("agent", *only, *often, *paths), http_get)
    watch.until(lambda page: len(page.counters) == 8 and any(len(holder) == 64 for _, holder in page.holders))

    def moves(kind: str, first: int) -> None:
        for step in range(first, first + 8):
            write_part(root, parts[kind], START_SECONDS + 40.0 * step)
            time.sleep(0.2)

    def happens() -> None:
        moves("SPX", 0)
        back = remove(root, parts["SPX"].gpus.boards[2].pci.address)
        for folder in ("proc/30400", "sys/devices/virtual/kfd/kfd/proc/30400"):
            shutil.rmtree(root / folder)
        watch.until(lambda page: len(page.counters) == 7)
        back()
        watch.until(lambda page: len(page.counters) == 8)
        moves("SPX", 10)
        moves("CPX", 20)
        watch.until(lambda page: sum(map(len, page.parts.values())) == 64)

    watch.while_(happens)
    assert sum(page.checked() for page in watch.pages) > 20 * len(watch.pages)
    assert check_energy(watch.pages) > 7 * len(watch.pages)
