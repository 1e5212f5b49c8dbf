"""A snapshot of containers as their sampler gives it, and what collectors make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import nodescope
from nodescope.records.container import (
    Container,
    ContainerDevice,
    ContainerEvent,
    ContainerIo,
    ContainerNetwork,
    ContainerUse,
    DeviceClaim,
    RuntimeStatus,
)
from nodescope.records.container_choice import ContainersLeftOut

GOLDEN: Final = Path(__file__).resolve().parents[2] / "golden"
MIB: Final = 1024 * 1024
WEB: Final = "a" * 64
POD: Final = "b" * 64
DONE: Final = "c" * 64

RECORDS: Final[tuple[Any, ...]] = (
    RuntimeStatus(
        runtime="docker", socket="/run/docker.sock", state="ok", version="20.10.24", api_version="1.41", containers=3,
        events=12, events_inferred=2, reconnects=1,
    ),
    RuntimeStatus(runtime="podman", socket="/run/podman/podman.sock", state="denied", reason="no permission"),
    ContainersLeftOut(containers=3, events=5),
    Container(runtime="containerd", namespace="moby", id=WEB, name=WEB),
    Container(
        runtime="docker", id=WEB, name="web", image="nginx:1.25", image_digest="sha256:12", health="healthy",
        restarts=2, created_seconds=1.6e9, started_seconds=1.6e9 + 5, memory_limit_bytes=512 * MIB,
        cpu_limit_cores=1.5, pid=71, labels={"team": "x"}, compose_project="shop", compose_service="web", user="ada",
        devices=(ContainerDevice(kind="gpu", evidence="environment", request="all"),),
    ),
    ContainerUse(
        id=WEB, cgroup=f"/docker/{WEB}", cpu_seconds=12.5, cpu_user_seconds=10.25, cpu_system_seconds=2.25,
        cpu_percent=150.5, cpu_periods=100, cpu_throttled_periods=7, cpu_throttled_seconds=0.75, cpu_burst_periods=4,
        cpu_burst_seconds=0.25, cpu_limit_cores=1.5, cpu_shares=512, memory_kernel_bytes=6 * MIB,
        memory_dirty_file_bytes=4096, memory_writeback_bytes=8192, memory_active_file_bytes=7 * MIB,
        memory_inactive_file_bytes=172 * MIB, memory_swap_limit_bytes=640 * MIB, memory_reservation_bytes=256 * MIB,
        memory_high_events=2, page_faults=900, major_page_faults=30, own_page_faults=800, own_major_page_faults=20,
        pages_scanned=11, pages_reclaimed=10, file_refaults=13, anonymous_refaults=12,
        memory_used_bytes=300 * MIB, memory_working_set_bytes=128 * MIB, memory_rss_bytes=100 * MIB,
        memory_cache_bytes=180 * MIB, memory_mapped_file_bytes=5 * MIB, memory_swap_bytes=0,
        memory_max_used_bytes=400 * MIB, memory_limit_bytes=512 * MIB, memory_failures=3, oom_events=1, oom_kills=1,
        pids=9, pids_limit=100, cpu_stalled_seconds=0.5, memory_stalled_seconds=0.25, io_stalled_seconds=0.125,
        cpu_full_stalled_seconds=0.4, memory_full_stalled_seconds=0.2, io_full_stalled_seconds=0.1,
    ),
    ContainerIo(id=WEB, device="259:0", name="nvme0n1", read_bytes=4096, written_bytes=1_500_000, reads=1, writes=20),
    ContainerIo(id=WEB, device="8:16", name=None, read_bytes=100, written_bytes=None, reads=None, writes=None),
    ContainerNetwork(
        id=WEB, interface="eth0", receive_bytes=1_234_567, receive_packets=10, receive_errors=1, receive_dropped=2,
        transmit_bytes=89, transmit_packets=3, transmit_errors=0, transmit_dropped=4,
    ),
    Container(
        runtime="cri-containerd", id=POD, name="main", image="cuda:12", pod_name="train-0", pod_namespace="ml",
        pod_uid="1-2", pod_container="main", started_seconds=1.6e9 + 50, slurm_job="7",
    ),
    ContainerUse(id=POD, cgroup=f"/kubepods/pod1-2/{POD}", cpu_seconds=3.0, memory_working_set_bytes=MIB),
    Container(
        runtime="docker", id=DONE, name="done", state="exited", exit_code=137, oom_killed=True,
        finished_seconds=1.6e9,
    ),
    ContainerUse(id="f" * 64, cgroup="/docker/gone", cpu_seconds=1.0),
    ContainerEvent(runtime="docker", id=WEB, kind="running", time_seconds=1.6e9),
    DeviceClaim(
        device="GPU-1", kind="gpu", evidence="process", container_id=POD, container="main", runtime="cri-containerd",
        pod_name="train-0", pod_namespace="ml", slurm_job="7", conflict="also held by web",
    ),
)  # fmt: skip


def golden(name: str) -> str:
    """The text that collector `name` is to show of `RECORDS`, looked at by eye and kept."""
    return (GOLDEN / f"{name}.txt").read_text().replace('"VERSION"', f'"{nodescope.__version__}"')
