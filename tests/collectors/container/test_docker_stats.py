"""Collector docker_stats: the worker exporter's names."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from nodescope.collectors.container.docker_stats import DockerStatsCollector, memory_total_bytes
from nodescope.collectors.joined import Loop
from nodescope.host import Absent, Host
from nodescope.records.container import Container, ContainerUse, ContainerWithoutNetwork, RuntimeStatus
from nodescope.records.docker_stats import size
from nodescope.sampler import Snapshot
from tests.collectors.container.container_snapshot import MIB, RECORDS, golden
from tests.collectors.container.test_docker_engine import PAGE_BYTES, write_engine
from tests.collectors.gpu.gpu_snapshot import shown


def host(root: Path, meminfo: bytes | None = b"MemTotal:       1048576 kB\nMemFree: 1 kB\n") -> Host:
    if meminfo is not None:
        (root / "meminfo").write_bytes(meminfo)
    return Host(str(root), rootfs=str(root))


def test_the_whole_of_a_snapshot(tmp_path: Path) -> None:
    """Both programs' names and the guide's, of Docker's running containers alone."""
    write_engine(tmp_path, pages=10 * MIB // PAGE_BYTES)
    known = host(tmp_path)
    assert shown(lambda loop: DockerStatsCollector(known, loop), *RECORDS) == golden("docker_stats")


class NoRuntime:
    """The loop of a sampler that finds no runtime."""

    def fresh(self) -> Snapshot:
        raise Absent("a container")


def test_a_machine_without_containers(tmp_path: Path) -> None:
    """The exporter says that it runs, always, and how many containers there are only where that is known."""
    families = DockerStatsCollector(host(tmp_path), cast(Loop, NoRuntime())).collect()
    assert [(family.metric.name, [value for _, value in family.rows]) for family in families] == [
        ("docker_stats_exporter_up", [1]),
        ("docker_stats_exporter_info", [1]),
    ]


@pytest.mark.parametrize(
    ("runtime", "state", "told"),
    [
        ("docker", "ok", [0]),
        ("podman", "ok", [0]),
        ("containerd", "ok", [0]),
        ("docker", "denied", []),
        ("docker", "absent", []),
        ("docker", "failed", []),
        ("kubelet", "ok", []),
    ],
)
def test_no_container_is_none_only_where_a_runtime_says_so(
    tmp_path: Path, runtime: str, state: str, told: list[int]
) -> None:
    """That there are 0 containers takes an answer of who knows them: of a socket that is denied nothing is told."""
    status = RuntimeStatus(runtime=runtime, socket="/run/x.sock", state=state)
    known = host(tmp_path)
    page = shown(lambda loop: DockerStatsCollector(known, loop), status)
    assert [float(line.split()[1]) for line in page.splitlines() if line.startswith("docker_containers_total ")] == told


def test_all_names() -> None:
    """There is every name of the Python program, of the Go program and of the guide, and each is a gauge."""
    names = (
        "engine_cpu_percent engine_memory_percent engine_memory_kb container_cpu_percent container_memory_percent "
        "containers_total_cpu_percent stats_exporter_up containers_total container_memory_usage container_network_io "
        "container_block_io stats_exporter_info container_memory_bytes container_network_rx_bytes "
        "container_network_tx_bytes"
    )
    metrics = DockerStatsCollector.metrics
    assert sorted(metric.name for metric in metrics) == sorted(f"docker_{name}" for name in names.split())
    assert {metric.type for metric in metrics} == {"gauge"}


def test_containers_of_one_name(tmp_path: Path) -> None:
    """Of containers that engines call the same the host's Docker's is told by the name, each other by its id too."""
    known = host(tmp_path)
    engines = (("podman", None), ("docker", 1000), ("docker", None))
    records = [
        record
        for digit, (runtime, uid) in enumerate(engines)
        for record in (
            Container(runtime=runtime, id=f"{digit}" * 64, name="web", state="running", engine_uid=uid),
            ContainerUse(
                id=f"{digit}" * 64, cgroup="/x", memory_used_bytes=digit + 1, memory_working_set_bytes=digit + 1
            ),
        )
    ]
    page = shown(lambda loop: DockerStatsCollector(known, loop), *records)
    assert sorted(line for line in page.splitlines() if line.startswith("docker_container_memory_bytes")) == [
        'docker_container_memory_bytes{container="web"} 3',
        'docker_container_memory_bytes{container="web/000000000000"} 1',
        'docker_container_memory_bytes{container="web/111111111111"} 2',
    ]


@pytest.mark.parametrize(
    ("first_state", "second_id", "told"),
    [("running", "a", "web/aaaaaaaaaaaa"), ("exited", "a", "web/aaaaaaaaaaaa"), ("exited", "e", "web/eeeeeeeeeeee")],
)
def test_a_name_stays_with_who_had_it_first(tmp_path: Path, first_state: str, second_id: str, told: str) -> None:
    """A newer container of another user's engine takes no name, also while the one that has it does not run."""
    known = host(tmp_path)
    records = [
        record
        for digit, uid, created, state in (("c", 1001, 10.0, first_state), (second_id, 1000, 20.0, "running"))
        for record in (
            Container(
                runtime="podman", id=digit * 64, name="web", state=state, engine_uid=uid, created_seconds=created
            ),
            ContainerUse(id=digit * 64, cgroup="/x", memory_working_set_bytes=MIB),
        )
    ]
    page = shown(lambda loop: DockerStatsCollector(known, loop), *records)
    names = {line.split('"')[1] for line in page.splitlines() if line.startswith("docker_container_memory_bytes{")}
    assert names == {told} | ({"web"} if first_state == "running" else set())


@pytest.mark.parametrize(("working_set", "told"), [(0, "2.097152e+06"), (MIB, "1.048576e+06")])
def test_nothing_but_inactive_file_pages(tmp_path: Path, working_set: int, told: str) -> None:
    """Where nothing would be left of what is used, all of it is shown, as Docker's client does."""
    known = host(tmp_path)
    use = ContainerUse(id="a" * 64, cgroup="/a", memory_used_bytes=2 * MIB, memory_working_set_bytes=working_set)
    container = Container(runtime="docker", id="a" * 64, name="a")
    text = shown(lambda loop: DockerStatsCollector(known, loop), container, use)
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("docker_container_memory_bytes{")] == [
        told
    ]


@pytest.mark.parametrize(
    ("meminfo", "percent"), [(b"MemTotal: 1048576 kB\n", "0.09765625"), (None, None), (b"odd", None), (b"", None)]
)
def test_without_a_limit_the_hosts_memory_is_it(tmp_path: Path, meminfo: bytes | None, percent: str | None) -> None:
    """The percentage is of the host's memory then, and absent where that is not known."""
    known = host(tmp_path, meminfo)
    text = shown(
        lambda loop: DockerStatsCollector(known, loop),
        Container(runtime="docker", id="a" * 64, name="a"),
        ContainerUse(id="a" * 64, cgroup="/a", memory_working_set_bytes=MIB),
    )
    lines = [line for line in text.splitlines() if line.startswith("docker_container_memory_percent{")]
    assert [line.rpartition(" ")[2] for line in lines] == ([percent] if percent else [])
    assert "docker_containers_total 1\n" in text
    assert memory_total_bytes(known) == (2**30 if percent else None)


@pytest.mark.parametrize(("no_io", "told"), [(True, ['value="0B / 0B"']), (False, [])])
def test_a_container_without_io(tmp_path: Path, no_io: bool, told: list[str]) -> None:
    """Where the cgroup tells of no device the text is that of nothing; where it does not tell there is no text."""
    known = host(tmp_path)
    use = ContainerUse(id="a" * 64, cgroup="/a", no_io=no_io)
    text = shown(
        lambda loop: DockerStatsCollector(known, loop), Container(runtime="docker", id="a" * 64, name="a"), use
    )
    lines = [line for line in text.splitlines() if line.startswith("docker_container_block_io{")]
    assert [line.partition("} ")[0].rpartition(",")[2] for line in lines] == told


@pytest.mark.parametrize(("more", "told"), [((ContainerWithoutNetwork(id="a" * 64),), "0"), ((), None)])
def test_a_container_without_network(
    tmp_path: Path, more: tuple[ContainerWithoutNetwork, ...], told: str | None
) -> None:
    """One that has no interface received and sent nothing; of one on the host's network that is not known."""
    known = host(tmp_path)
    container = Container(runtime="docker", id="a" * 64, name="a")
    text = shown(lambda loop: DockerStatsCollector(known, loop), container, *more)
    lines = [line for line in text.splitlines() if line.startswith("docker_container_network_")]
    assert {line.split()[-1] for line in lines if "_bytes{" in line} == ({told} if told else set())
    assert ('value="0B / 0B"' in text) is bool(told)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (2 * MIB, "2MiB"), (2**70, "1.049e+06PiB")]
)
def test_sizes(count: int, text: str) -> None:
    """Four digits and the unit, as Docker writes memory."""
    assert size(count, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), 1024, 4) == text
