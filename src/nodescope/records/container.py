"""Records of containers, the same for every runtime."""

from __future__ import annotations

import re
from typing import Final

import msgspec

CONTAINERD: Final = "containerd"
SHORT_ID_CHARACTERS: Final = 12
"""So much of an id is shown where a container has no other name, as by runtimes."""
ONE_OF_A_KIND: Final = frozenset({None, "default", "moby"})
"""Namespaces whose containers go by their id alone: none, containerd's own where nobody names one, and Docker's."""
_MADE_ID: Final = re.compile(r"[0-9a-f]{64}")
"""An id that a runtime made: Docker's, the CRI's and nerdctl's are unique, whichever namespace they are in."""


def unique_key(runtime: str, namespace: str | None, container_id: str) -> str:
    """What no two containers of a node share: the id, but "NAMESPACE/ID" where containerd was given a name for it.

    containerd takes a name once in each of its namespaces; it holds no slash. Docker's and the CRI's containers have
    one key, whoever tells of them.
    """
    if runtime != CONTAINERD or namespace in ONE_OF_A_KIND or _MADE_ID.fullmatch(container_id):
        return container_id
    return f"{namespace}/{container_id}"


class ContainerDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that a container was given, and by what that is known.

    `kind`: "gpu", "rdma", "other". `path`: under /dev, of the host. `request`: what was asked for where no path is
    known: "all", "0", "GPU-5e41...", "nvidia.com/gpu=0", "ROCR_VISIBLE_DEVICES=0,2", of kind "other"
    "HIP_VISIBLE_DEVICES=", which hides all. `evidence`: "pod_resources",
    "cdi", "device_request", "environment" (NVIDIA_VISIBLE_DEVICES and its like, the only ones whose value is looked
    at), "mount", "device".
    """

    kind: str
    evidence: str
    path: str | None = None
    request: str | None = None
    vendor: str | None = None


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a container is, as its runtime tells it.

    `runtime`: "docker", "podman", "containerd", "cri-containerd", "cri-o". `namespace`: containerd's. `id`: whole.
    `state`: "created", "running", "paused", "restarting", "exited", "dead". `health`: "starting", "healthy",
    "unhealthy", None where none is defined. Times: Unix seconds. `labels`: only those on the allow-list.
    `cgroup`: path of its cgroup below the root of the hierarchy, where the runtime or a process tells it.
    Limits: None where there is none. `oom_killed`: as the runtime says; the cgroup's own count is in `ContainerUse`.
    `joins_network`: whether it is in the network namespace of another container, as far as its runtime tells.
    `engine_uid`: of the user whose own engine tells of it.
    """

    runtime: str
    id: str
    name: str
    namespace: str | None = None
    image: str | None = None
    image_digest: str | None = None
    labels: dict[str, str] = {}
    state: str = "running"
    health: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    restarts: int | None = None
    created_seconds: float | None = None
    started_seconds: float | None = None
    finished_seconds: float | None = None
    cgroup: str | None = None
    privileged: bool = False
    joins_network: bool = False
    memory_limit_bytes: int | None = None
    cpu_limit_cores: float | None = None
    pids_limit: int | None = None
    devices: tuple[ContainerDevice, ...] = ()
    pod_name: str | None = None
    pod_namespace: str | None = None
    pod_uid: str | None = None
    pod_container: str | None = None
    compose_project: str | None = None
    compose_service: str | None = None
    user: str | None = None
    slurm_job: str | None = None
    engine_uid: int | None = None

    @property
    def key(self) -> str:
        """See `unique_key`: the id that all else that is told of the container has."""
        return unique_key(self.runtime, self.namespace, self.id)


class ContainerUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a container uses, from its cgroup, v1 or v2. Counters are since its cgroup was made. None: not told.

    `id`: the container's key, as of all records below. `cgroup`: the path that was read.
    `memory_working_set_bytes`: use less inactive file pages, at least 0.
    `cpu_period_microseconds`: that of a quota, whether there is one or not. `cpu_percent`: of one CPU, over the time
    since the sample before. `cpu_shares`: on v1's scale, also where v2 has a weight.
    `memory_swap_limit_bytes`: of memory and swap together under v1, of swap alone under v2.
    `memory_reservation_bytes`: v1's soft limit, v2's memory.low. `own_*`: without the cgroups below it, told by v1
    alone. `*_stalled_seconds`: pressure, "some"; `*_full_stalled_seconds`: "full". `no_io`: whether it is told that it
    did no block I/O on any device.
    """

    id: str
    cgroup: str
    cpu_seconds: float | None = None
    cpu_user_seconds: float | None = None
    cpu_system_seconds: float | None = None
    cpu_percent: float | None = None
    cpu_periods: int | None = None
    cpu_throttled_periods: int | None = None
    cpu_throttled_seconds: float | None = None
    cpu_burst_periods: int | None = None
    cpu_burst_seconds: float | None = None
    cpu_limit_cores: float | None = None
    cpu_period_microseconds: int | None = None
    cpu_shares: int | None = None
    memory_used_bytes: int | None = None
    memory_working_set_bytes: int | None = None
    memory_rss_bytes: int | None = None
    memory_cache_bytes: int | None = None
    memory_kernel_bytes: int | None = None
    memory_mapped_file_bytes: int | None = None
    memory_dirty_file_bytes: int | None = None
    memory_writeback_bytes: int | None = None
    memory_active_file_bytes: int | None = None
    memory_inactive_file_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_max_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_swap_limit_bytes: int | None = None
    memory_reservation_bytes: int | None = None
    memory_failures: int | None = None
    memory_high_events: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    own_page_faults: int | None = None
    own_major_page_faults: int | None = None
    pages_scanned: int | None = None
    pages_reclaimed: int | None = None
    file_refaults: int | None = None
    anonymous_refaults: int | None = None
    oom_events: int | None = None
    oom_kills: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    cpu_stalled_seconds: float | None = None
    cpu_full_stalled_seconds: float | None = None
    memory_stalled_seconds: float | None = None
    memory_full_stalled_seconds: float | None = None
    io_stalled_seconds: float | None = None
    io_full_stalled_seconds: float | None = None
    no_io: bool = False


class ContainerIo(msgspec.Struct, frozen=True, kw_only=True):
    """Block I/O of a container on one device ("259:0", and its name where the host knows it)."""

    id: str
    device: str
    name: str | None
    read_bytes: int | None
    written_bytes: int | None
    reads: int | None
    writes: int | None


class ContainerNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network interface in a container's own network namespace. Containers that share one each tell of it.

    `namespace`: the same number for all that share it; None where not known.
    """

    id: str
    interface: str
    receive_bytes: int
    receive_packets: int
    receive_errors: int
    receive_dropped: int
    transmit_bytes: int
    transmit_packets: int
    transmit_errors: int
    transmit_dropped: int
    namespace: int | None = None


class ContainerWithoutNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """That a container's own network namespace has no interface but its loopback."""

    id: str


class ContainerEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a container. `kind`: "created", "running", "paused", "exited", "oom_killed",
    "deleted", "restarted", "health". `namespace`: containerd's. `inferred`: it was worked out by comparing with what
    was known. `evidence`: "runtime" for its word, "cgroup" for the kernel's count of OOM kills.
    """

    runtime: str
    id: str
    kind: str
    time_seconds: float
    namespace: str | None = None
    name: str | None = None
    exit_code: int | None = None
    health: str | None = None
    inferred: bool = False
    evidence: str = "runtime"

    @property
    def key(self) -> str:
        """That of its container."""
        return unique_key(self.runtime, self.namespace, self.id)


NOT_ASKED: Final = "not asked yet"
"""Reason of a runtime that was just found: how it fares is known with its first answer."""


class RuntimeStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container runtime fares. `state`: "ok", "denied", "failed", "absent". `reason`: why it is not ok.

    `events`: heard from the runtime and told. `events_inferred`: told, though nobody heard them. `events_dropped`: that
    could not be read, or of containers for which there was no room.
    """

    runtime: str
    socket: str
    state: str
    reason: str = ""
    version: str | None = None
    api_version: str | None = None
    containers: int = 0
    events: int = 0
    events_inferred: int = 0
    events_dropped: int = 0
    reconnects: int = 0


class DeviceClaim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who holds a device. `device`: the GPU's or partition's uuid, or the RDMA device's name. `kind`: "gpu",
    "gpu_instance", "rdma". `evidence`: see `ContainerDevice`, and "process" for who uses it. `conflict`: what
    contradicts it, "" for nothing. `container_id`: the container's key. `request`: the words of the evidence where it
    has any ("ROCR_VISIBLE_DEVICES=0,2").
    """

    device: str
    kind: str
    evidence: str
    container_id: str | None = None
    container: str | None = None
    runtime: str | None = None
    pod_name: str | None = None
    pod_namespace: str | None = None
    user: str | None = None
    slurm_job: str | None = None
    conflict: str = ""
    request: str = ""


class Attribution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A holder's part of one quantity of a GPU. `quantity`: "memory_bytes", "utilization_ratio", "power_watts",
    "energy_joules". `attribution`: "measured", "shared" or "estimated". `holder`: a container's key, "user:alice",
    "job:123", or "unattributed". In every cycle the parts of a device sum to the device's own figure.
    """

    device: str
    holder: str
    quantity: str
    attribution: str
    value: float
    container: str | None = None
    pod_name: str | None = None
    pod_namespace: str | None = None
    user: str | None = None
    slurm_job: str | None = None
