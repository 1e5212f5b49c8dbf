"""What a container uses as its runtime's statistics have it, and as each role's page says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tests.live.container_pages import Page, Roles

ATTEMPTS: Final = 12
CPU_SLACK_S: Final = 0.05
"""runc moves a process into one hierarchy after the other: each has missed another part of its first moments."""

Stats = dict[str, Any]
Find = Callable[[Page, str], float | None]


class Figure(NamedTuple):
    """`theirs`: of the runtime's statistics, None where it does not tell. `ours`: how each role's page says the same.

    `slack`: by how much both may differ. `counter`: whether it only grows.
    """

    theirs: Callable[[Stats], float | None]
    agent: Find
    cadvisor: Find
    docker_stats: Find | None = None
    counter: bool = False
    slack: float = 0.0


def agent(name: str, **labels: str) -> Find:
    return lambda page, container: page.of(name, container_name=container, **labels)


def cadvisor(name: str) -> Find:
    return lambda page, container: page.of(f"container_{name}", name=container)


def docker(name: str) -> Find:
    return lambda page, container: page.of(f"docker_container_{name}", container=container)


def disk(operation: str) -> Callable[[Stats], float | None]:
    def find(stats: Stats) -> float | None:
        rows = stats["blkio_stats"].get("io_service_bytes_recursive")
        found = [row.get("value", 0) for row in rows or () if row.get("op") == operation]
        return sum(found) if found else None

    return find


def network(key: str) -> Callable[[Stats], float | None]:
    def find(stats: Stats) -> float | None:
        return sum(each[key] for each in stats["networks"].values()) if "networks" in stats else None

    return find


def working_set(stats: Stats) -> float | None:
    memory: dict[str, Any] = stats["memory_stats"]
    if "stats" in memory:
        return float(memory["usage"] - memory["stats"]["total_inactive_file"])
    return memory.get("working_set")


FIGURES: Final = {
    "cpu": Figure(
        lambda stats: stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        agent("nodescope_container_cpu_seconds_total"),
        cadvisor("cpu_usage_seconds_total"),
        counter=True,
        slack=CPU_SLACK_S,
    ),
    "throttled": Figure(
        lambda stats: stats["cpu_stats"]["throttling_data"].get("throttled_periods"),
        agent("nodescope_container_cpu_throttled_periods_total"),
        cadvisor("cpu_cfs_throttled_periods_total"),
        counter=True,
    ),
    "memory": Figure(
        lambda stats: stats["memory_stats"].get("usage"),
        agent("container_memory_usage_bytes"),
        cadvisor("memory_usage_bytes"),
    ),
    "working set": Figure(
        working_set,
        agent("container_memory_working_set_bytes"),
        cadvisor("memory_working_set_bytes"),
        docker("memory_bytes"),
    ),
    "limit": Figure(
        lambda stats: stats["memory_stats"].get("limit"),
        agent("nodescope_container_memory_limit_bytes"),
        cadvisor("spec_memory_limit_bytes"),
    ),
    "processes": Figure(
        lambda stats: stats["pids_stats"].get("current"), agent("nodescope_container_pids"), cadvisor("threads")
    ),
    "received": Figure(
        network("rx_bytes"),
        agent("container_network_io_bytes_total", network_io_direction="receive"),
        cadvisor("network_receive_bytes_total"),
        docker("network_rx_bytes"),
        counter=True,
    ),
    "sent": Figure(
        network("tx_bytes"),
        agent("container_network_io_bytes_total", network_io_direction="transmit"),
        cadvisor("network_transmit_bytes_total"),
        docker("network_tx_bytes"),
        counter=True,
    ),
    "read": Figure(
        disk("Read"),
        agent("container_disk_io_bytes_total", disk_io_direction="read"),
        cadvisor("fs_reads_bytes_total"),
        counter=True,
    ),
    "written": Figure(
        disk("Write"),
        agent("container_disk_io_bytes_total", disk_io_direction="write"),
        cadvisor("fs_writes_bytes_total"),
        counter=True,
    ),
}


def disagreements(told: Roles, container: str, theirs: Callable[[], Stats]) -> dict[tuple[str, str], str]:
    """Figure and role -> what was said, of those that never agreed: a counter with two reads around it, a gauge with
    all that was read.
    """
    left = {(figure, role): "" for figure in FIGURES for role in told.servers if getattr(FIGURES[figure], role)}
    seen: dict[str, list[float]] = {figure: [] for figure in FIGURES}
    for _ in range(ATTEMPTS):
        before = theirs()
        pages = {role: told.fresh(role) for role in {role for _, role in left}}
        after = theirs()
        for name, figure in FIGURES.items():
            around = [value for stats in (before, after) if (value := figure.theirs(stats)) is not None]
            seen[name] += around
            bounds = around if figure.counter else seen[name]
            for role in [role for each, role in left if each == name]:
                ours = getattr(figure, role)(pages[role], container)
                # podman has no figures of throttling, containerd none of networks.
                if not bounds or is_between(ours, bounds, figure.slack):
                    del left[name, role]
                else:
                    left[name, role] = f"{ours} is not of {min(bounds)} .. {max(bounds)}"
        if not left:
            break
    return left


def is_between(ours: float | None, bounds: Sequence[float], slack: float) -> bool:
    return ours is not None and min(bounds) - slack <= ours <= max(bounds) + slack
