"""What the agent and its exporters say of containers beside what their runtimes say of them themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.containers.grpc.wire import encode_bytes
from tests.live.container_figures import Stats, disagreements
from tests.live.container_image import IMAGE
from tests.live.container_pages import Get, roles
from tests.live.containerd_daemon import Pod, containerd
from tests.live.engine_daemon import Engine, engine, host_root, until

LIMIT_BYTES: Final = 64 * 1024 * 1024
CORES: Final = 0.3
PROCESSES: Final = 40
# Holds page cache, reads and writes a disk past it, talks to its gateway, and runs into its CPU limit.
BUSY: Final = """
dd if=/dev/zero of=/held bs=64k count=40; dd if=/dev/zero of=/x bs=64k count=20 oflag=direct; cat /held
while :; do
  dd if=/x of=/dev/null bs=64k iflag=direct
  ping -c 1 -w 1 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')
  ping -c 1 -w 1 127.0.0.1
  for i in $(seq 20000); do :; done
  sleep 0.3
done
"""


def disk_of(folder: Path) -> list[str]:
    """Options that make the kernel count I/O on the disk that a folder is on: it does where there is some limit."""
    device = folder.stat().st_dev
    link = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    path = f"/dev/{link.resolve().name}"
    if not Path(path).is_block_device():
        return []
    return [word for way in ("read", "write") for word in (f"--device-{way}-bps", f"{path}:100gb")]


@pytest.fixture(params=["docker", "podman"])
def runtime(request: pytest.FixtureRequest, program: Callable[..., str]) -> Iterator[Engine]:
    with host_root() as root, engine(str(request.param), root, program) as running:
        yield running


def statistics(runtime: Engine, container: str) -> Stats:
    stats: Stats = runtime.get(f"/v1.41/containers/{container}/stats?stream=false&one-shot=true")
    if runtime.name == "podman":
        # It reads the other end of the pair.
        (end,) = stats["networks"].values()
        stats["networks"] = {"eth0": {"rx_bytes": end["tx_bytes"], "tx_bytes": end["rx_bytes"]}}
        stats["cpu_stats"]["throttling_data"] = {}
    return stats


@pytest.mark.timeout(150)
def test_an_engine_and_its_statistics(runtime: Engine, http_get: Get) -> None:
    """CPU, throttling, memory, processes, network and disk of a container are, in each role, what its engine says."""
    limits = ("--memory", str(LIMIT_BYTES), "--cpus", str(CORES), "--pids-limit", str(PROCESSES))
    runtime.run("run", "-d", "--name", "busy", *limits, *disk_of(runtime.folder), IMAGE, "sh", "-c", BUSY)
    with roles(runtime.root, http_get) as told:
        until(lambda: told.page("docker_stats").of("docker_container_cpu_percent", container="busy") is not None)
        assert disagreements(told, "busy", lambda: statistics(runtime, "busy")) == {}
        pages = {role: told.fresh(role) for role in told.servers}
    assert pages["agent"].of("nodescope_container_cpu_limit_cores", container_name="busy") == CORES
    assert pages["agent"].of("nodescope_container_pids_limit", container_name="busy") == PROCESSES
    quota, period = (pages["cadvisor"].of(f"container_spec_cpu_{each}", name="busy") for each in ("quota", "period"))
    assert quota is not None
    assert period is not None
    assert quota / period == CORES
    assert pages["cadvisor"].of("container_threads_max", name="busy") == PROCESSES
    docker = pages["docker_stats"]
    if runtime.name == "docker":
        assert all((docker.of(f"docker_engine_{each}") or 0) > 0 for each in ("memory_kb", "memory_percent"))
        assert docker.of("docker_engine_cpu_percent") is not None
    used, percent = (docker.of(f"docker_container_memory_{each}", container="busy") for each in ("bytes", "percent"))
    assert used is not None
    assert percent == pytest.approx(100 * used / LIMIT_BYTES)
    assert docker.labels("docker_container_memory_usage", container="busy")["value"].endswith(" / 64MiB")


def of_metrics(metrics: Any) -> Stats:
    """containerd's metrics of a container under v1 in the words of the Docker API."""
    cpu, memory = metrics["cpu"], metrics["memory"]
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu["usage"]["total"]}, "throttling_data": cpu["throttling"]},
        "memory_stats": {**memory["usage"], "stats": {"total_inactive_file": memory.get("total_inactive_file", 0)}},
        "pids_stats": metrics["pids"],
        "blkio_stats": metrics["blkio"],
    }


def of_cri(pod: Pod, id_: str) -> Stats:
    """ContainerStats of the CRI in the words of the Docker API."""
    stats = pod.call("ContainerStats", encode_bytes(1, id_)).message(1)
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": stats.message(2).message(2).number(1)}, "throttling_data": {}},
        "memory_stats": {"working_set": stats.message(3).message(2).number(1)},
        "pids_stats": {},
        "blkio_stats": {},
    }


@pytest.mark.timeout(150)
def test_containerd_and_its_metrics(program: Callable[..., str], http_get: Get) -> None:
    """A container of containerd's own, and one of a pod, use what containerd and its CRI say they use."""
    with host_root() as root, containerd(root, program) as runtime:
        limits = ("--memory-limit", str(LIMIT_BYTES), "--cpus", str(CORES))
        runtime.run("busy", "/bin/sh", "-c", BUSY, options=("--env", "PATH=/bin", *limits))
        pod = Pod(runtime.socket)
        id_ = pod.start("main", 1, "/bin/sh", "-c", BUSY)
        try:
            with roles(root, http_get, names=("agent", "cadvisor")) as told:
                assert disagreements(told, "busy", lambda: of_metrics(runtime.metrics("busy"))) == {}
                assert disagreements(told, "main", lambda: of_cri(pod, id_)) == {}
                page = told.page("agent")
                whose = told.page("cadvisor").labels("container_last_seen", name="main")
        finally:
            pod.end()
    assert page.of("nodescope_container_cpu_limit_cores", container_name="busy") == CORES
    assert page.of("nodescope_container_restarts_total", container_name="main") == 1
    told_of = page.labels("nodescope_container_info", container_id=id_)
    assert (told_of["image"], told_of["pod_name"], told_of["pod_namespace"]) == (IMAGE, "train-0", "ml")
    assert told_of["image_digest"].startswith("sha256:")
    assert (whose["container"], whose["pod"], whose["namespace"]) == ("main", "train-0", "ml")


@pytest.mark.timeout(150)
def test_dockerd_under_cgroup_v2(program: Callable[..., str], http_get: Get) -> None:
    """Where dockerd has cgroup v2 alone CPU time is v2's; what no controller counts is absent, and not 0."""
    with host_root() as root, engine("docker", root, program, unified=True) as runtime:
        assert runtime.get("/info")["CgroupVersion"] == "2"
        runtime.run("run", "-d", "--name", "busy", IMAGE, "sh", "-c", BUSY)

        def statistics_of_v2() -> Stats:
            lines = runtime.run("exec", "busy", "cat", "/sys/fs/cgroup/cpu.stat").splitlines()
            microseconds = next(int(line.split()[1]) for line in lines if line.startswith("usage_usec "))
            stats = statistics(runtime, "busy")
            cpu = {"cpu_usage": {"total_usage": microseconds * 1000}, "throttling_data": {}}
            return {**stats, "cpu_stats": cpu, "memory_stats": {}}

        with roles(root, http_get) as told:
            until(
                lambda: told.page("docker_stats").of("docker_container_network_rx_bytes", container="busy") is not None
            )
            assert disagreements(told, "busy", statistics_of_v2) == {}
            page = told.page("agent")
            assert page.of("nodescope_container_stalled_seconds_total", container_name="busy") is not None
            if "memory" not in Path("/sys/fs/cgroup/unified/cgroup.controllers").read_text().split():
                assert page.of("container_memory_usage_bytes", container_name="busy") is None
                assert told.page("docker_stats").of("docker_container_memory_bytes", container="busy") is None
