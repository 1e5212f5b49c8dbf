"""Beside each other on the containers of a real Docker Engine: nodescope, `docker stats` and cAdvisor.

dockerd is started for it, in namespaces and a folder of its own, with an image that is made here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.live.container_image import IMAGE
from tests.live.engine_daemon import Engine, engine, host_root
from tools.bench_report import MB, percentile
from tools.gpu_bench import scraped
from tools.markdown import table
from tools.process_cost import cpu, memory
from tools.serving import Server, ServerError, nodescope_command, unused_port

CONTAINERS: Final = 200
WORKING: Final = 10
AT_ONCE: Final = 8
"""How many containers are started at a time."""

ENGINE: Final = ("dockerd", "containerd")
"""How the names of the engine's processes begin."""

SETTLE_S: Final = 6.0
STATS_RUNS: Final = 5
EXPORTERS: Final = ("docker-stats", "container")
INTERVAL: Final = "--collector.container.interval=1s"
_DEADLINE: Final = ("timeout", "60")
_SLEEP: Final = ("sleep", "1000000")
_WORK: Final = ("sh", "-c", "while :; do dd if=/dev/zero of=/work bs=64k count=4 conv=fsync 2>/dev/null; sleep 1; done")


class NotHere(Exception):
    """There is no engine to measure beside. Says why."""


class Watching(NamedTuple):
    """What one program costs that looks at all containers, once a second or run by run.

    CPU in milliseconds of one core: of each look, in order; `engine_ms` of dockerd, its containerd and their shims for
    each. `latencies_s`: of scrapes or runs, sorted. `rss`: bytes.
    """

    name: str
    series: int
    cycles_ms: list[float]
    engine_ms: float
    scrape_ms: float | None
    latencies_s: list[float]
    rss: int


class Beside(NamedTuple):
    """So many containers on a real engine, and each that looked at them. `note`: what could not be.

    `rest_ms`: CPU of the engine in a second in which nobody looks.
    """

    containers: int
    version: str
    rest_ms: float
    watching: list[Watching]
    note: str = ""


def measured(seconds: int) -> Beside:
    """nodescope, `docker stats` and cAdvisor, one after the other, on the same containers. Raises `NotHere`."""
    try:
        with host_root() as root, engine("docker", root, _program) as docker:
            running = started(docker)
            before = engine_seconds(docker)
            time.sleep(SETTLE_S)
            rest_ms = (engine_seconds(docker) - before) * 1000 / SETTLE_S
            watching = [exporter(docker, role, seconds) for role in EXPORTERS]
            watching.append(docker_stats(docker))
            note = "" if shutil.which("cadvisor") else "cAdvisor is not installed."
            if not note:
                try:
                    watching.append(cadvisor(docker, seconds))
                except ServerError as error:
                    note = f"cAdvisor does not start here: {' '.join(str(error).split())[-200:]}"
            return Beside(running, docker.get("/version")["Version"], rest_ms, watching, note)
    except (pytest.skip.Exception, AssertionError, OSError) as error:
        raise NotHere(" ".join(str(error).split())[:300]) from error


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotHere(f"{name} is not installed (Debian package {package})" if package else f"{name} is not installed")
    return found


def started(docker: Engine) -> int:
    """How many containers run, of as many as are wanted: most sleep, some work."""

    def start(number: int) -> None:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):  # those that do run are counted
            docker.run("run", "-d", "--name", f"c{number}", IMAGE, *(_WORK if number < WORKING else _SLEEP))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(start, range(CONTAINERS)))
    return len(docker.run("ps", "-q").split())


def engine_seconds(docker: Engine) -> float:
    """CPU that dockerd, its containerd and the shims of that have used: each has a part in `docker stats`."""
    used = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # one that has just ended
            if (folder / "comm").read_text().startswith(ENGINE) and f"{docker.root}/" in cmdline(folder):
                used += cpu(int(folder.name)).scheduled
    return used


def cmdline(folder: Path) -> str:
    return (folder / "cmdline").read_bytes().decode(errors="replace")


def each_second(pid: int, seconds: int) -> list[float]:
    """Milliseconds of CPU that a process uses in each of so many seconds, which is one look."""
    found = []
    before = cpu(pid)
    for _ in range(seconds):
        time.sleep(1.0)
        after = cpu(pid)
        found.append(after.since(before).scheduled * 1000)
        before = after
    return found


def looking(
    name: str, docker: Engine, command: Callable[[int], list[str]], seconds: int, settle_s: float = SETTLE_S
) -> Watching:
    """A server that looks at all containers each second: left alone, then scraped each second."""
    port = unused_port()
    server = Server(command(port), port, docker.folder / f"{name.replace(' ', '-')}.log", docker.folder)
    try:
        time.sleep(settle_s)
        series, _ = scraped(port, 1)
        engine_before = engine_seconds(docker)
        cycles = each_second(server.pid, seconds)
        engine_ms = (engine_seconds(docker) - engine_before) * 1000 / seconds
        before = cpu(server.pid)
        _, latencies = scraped(port, seconds)
        busy = cpu(server.pid).since(before).scheduled * 1000 / seconds
        rss = memory(server.pid).rss
    finally:
        server.stop()
    scrape_ms = max(0.0, busy - statistics.mean(cycles))
    return Watching(name, series, cycles, engine_ms, scrape_ms, sorted(latencies), rss)


def exporter(docker: Engine, role: str, seconds: int) -> Watching:
    flags = (INTERVAL, f"--path.rootfs={docker.root}", f"--state.directory={docker.folder}/state")
    return looking(
        f"nodescope exporter {role}",
        docker,
        lambda port: nodescope_command(("exporter", role, *flags), port),
        seconds,
    )


def cadvisor(docker: Engine, seconds: int) -> Watching:
    """cAdvisor, with a look each second."""
    paces = ("housekeeping_interval", "max_housekeeping_interval")
    flags = (*(f"--{pace}=1s" for pace in paces), "--allow_dynamic_housekeeping=false", "--docker_only=true")
    place = f"--docker=unix://{docker.socket}"
    return looking(
        "cAdvisor",
        docker,
        lambda port: ["cadvisor", *flags, place, "--listen_ip=127.0.0.1", f"--port={port}"],
        seconds,
        2 * SETTLE_S,
    )


def docker_stats(docker: Engine) -> Watching:
    """`docker stats --no-stream`: CPU of the client and of the engine, run by run."""
    cycles, latencies, peak = [], [], 0
    engine_before = engine_seconds(docker)
    for _ in range(STATS_RUNS):
        begin = time.monotonic()
        client = subprocess.Popen([*_DEADLINE, *docker.command, "stats", "--no-stream"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        latencies.append(time.monotonic() - begin)
        cycles.append((used.ru_utime + used.ru_stime) * 1000)
        peak = max(peak, used.ru_maxrss * 1024)
    engine_ms = (engine_seconds(docker) - engine_before) * 1000 / STATS_RUNS
    return Watching("docker stats --no-stream", 0, cycles, engine_ms, None, sorted(latencies), peak)


def section(beside: Beside | None) -> str:
    """The table of the page; nothing where nothing was measured."""
    if beside is None:
        return ""
    head = (
        "program",
        "series",
        "CPU ms a cycle",
        "mean",
        "engine's CPU ms a cycle",
        "CPU ms a scrape",
        "p50 ms",
        "p99 ms",
        "RSS MB",
    )
    rows = (
        (
            one.name,
            str(one.series or "-"),
            *spread(one.cycles_ms),
            f"{one.engine_ms:.1f}",
            "-" if one.scrape_ms is None else f"{one.scrape_ms:.2f}",
            f"{percentile(one.latencies_s, 50) * 1000:.1f}",
            f"{percentile(one.latencies_s, 99) * 1000:.1f}",
            f"{one.rss / MB:.1f}",
        )
        for one in beside.watching
    )
    what = f"### {beside.containers} containers of a Docker Engine {beside.version}, one look a second"
    note = (
        "CPU of a cycle: median and mean. Of docker stats a cycle is a run, and its latency the time of that; "
        f"the engine's CPU is that of dockerd, containerd and its shims meanwhile: {beside.rest_ms:.1f} ms in a "
        f"second in which nobody looks. {beside.note}"
    )
    return f"{what}\n\n{table(head, rows)}\n{note.strip()}\n"


def spread(cycles_ms: Sequence[float]) -> tuple[str, ...]:
    """Median and mean."""
    return tuple(f"{figure:.1f}" for figure in (statistics.median(cycles_ms), statistics.mean(cycles_ms)))
