"""Role container beside a cAdvisor on the same containers. No Debian package has it: it runs where one is installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.live.container_image import IMAGE
from tests.live.container_pages import Get, roles
from tests.live.engine_daemon import engine, host_root, until
from tests.live.samples import Labels, Scrape, read
from tools.serving import Server, unused_port

PACE: Final = "1s"
SETTLE_S: Final = 90.0
MANY: Final = 50
"""Families that both have."""
RESTING: Final = ("sh", "-c", "dd if=/dev/zero of=/written bs=64k count=4 conv=fsync; exec sleep 100000")
LIMITS: Final = (
    "--memory=64m", "--memory-swap=80m", "--memory-reservation=32m", "--cpus=0.3", "--pids-limit=40",
    "--cpu-shares=512",
)  # fmt: skip
NOT_OURS: Final = re.compile(
    r"cadvisor_version_info|(container|machine)_scrape_error|machine_(cpu_(books|drawers)|nvm_.*)"
    r"|container_(tasks_state|cpu_load_.*|fs_(inodes|limit|usage|io|read|write|.*_merged|sector)_.*)"
)
"""What is of no container, of the whole disk, or takes a walk through layers or processes."""
UNDER_V2_ALONE: Final = frozenset(
    {"container_memory_events_high_total", "container_memory_pgscan_total", "container_memory_pgsteal_total"}
)
"""cAdvisor shows 0 under v1, where nobody counts these."""
OTHERWISE: Final = frozenset(
    {
        "container_last_seen",
        # By CPU there, under v1, and in clock ticks where we have v2's microseconds.
        "container_cpu_usage_seconds_total",
        "container_cpu_user_seconds_total",
        "container_cpu_system_seconds_total",
        # Of those v2 has, which a cAdvisor that sees v1 does not look at.
        *(f"container_pressure_{each}_{how}_seconds_total"
          for each in ("cpu", "memory", "io") for how in ("waiting", "stalled")),
        # Of the whole disk for one that did nothing, and 0 for operations that nobody counted.
        *(f"container_fs_{each}{what}_total" for each in ("reads", "writes") for what in ("", "_bytes")),
        "container_blkio_device_usage_total",
    }
)  # fmt: skip
NAMES_IT: Final = frozenset({"container", "id", "image", "name", "namespace", "pod", "machine_id"})


def helps(body: bytes) -> dict[str, str]:
    """Family -> help."""
    lines = [line.split(" ", 3) for line in body.decode().splitlines() if line.startswith("# HELP ")]
    return {name: what for _, _, name, what in lines}


def untimed(body: bytes) -> bytes:
    """Without the times that cAdvisor puts behind its values."""
    return re.sub(rb"(?m)^([^#\n].*) [0-9]{13}$", rb"\1", body)


def of_container(scrape: Scrape, name: str) -> Iterator[tuple[str, Labels, float]]:
    """What a container's series say, without the labels that say which it is and those that it has itself."""
    for (family, labels), value in scrape.samples.items():
        if ("name", name) in labels:
            own = frozenset(
                (label, said)
                for label, said in labels
                if label not in NAMES_IT and not label.startswith("container_label_")
            )
            yield family, own, value


def differences(ours: Scrape, theirs: Scrape, name: str) -> dict[tuple[str, Labels], tuple[float | None, float]]:
    """What we say of a container, and what they say, of each series that is not the same."""
    mine = {(family, labels): value for family, labels, value in of_container(ours, name)}
    found = {}
    for family, labels, value in of_container(theirs, name):
        said = mine.get((family, labels))
        # There, times are whole seconds.
        same = (int(said) if said and family.endswith("_time_seconds") else said) == value
        if family in ours.types and family not in OTHERWISE and not same:
            found[family, labels] = said, value
    return found


@pytest.mark.timeout(150)
def test_the_same_containers(program: Callable[..., str], http_get: Get) -> None:
    """Families have cAdvisor's names, types and help, and none is missing; containers that rest have its values."""
    if shutil.which("cadvisor") is None:
        pytest.skip("cadvisor is not installed (no Debian package has it)")
    with host_root() as root, engine("docker", root, program) as docker:
        docker.run("run", "-d", "--name", "limited", *LIMITS, IMAGE, *RESTING)
        docker.run("run", "-d", "--name", "free", IMAGE, *RESTING)
        port = unused_port()
        flags = (f"--housekeeping_interval={PACE}", f"--max_housekeeping_interval={PACE}", "--docker_only=true")
        command = ("cadvisor", *flags, f"--docker=unix://{docker.socket}", "--listen_ip=127.0.0.1", f"--port={port}")
        rival = Server(command, port, docker.folder / "cadvisor.log", docker.folder)
        try:
            with roles(root, http_get, names=("cadvisor",)) as told:

                def bodies() -> tuple[bytes, bytes]:
                    ours, theirs = (http_get(each, "/metrics").body for each in (told.servers["cadvisor"].port, port))
                    return ours, untimed(theirs)

                def all_differences() -> list[object]:
                    ours, theirs = map(read, bodies())
                    return [differences(ours, theirs, name) for name in ("limited", "free")]

                # Neither looks at the same moment as the other, and a container's network takes time to rest.
                until(lambda: all(b'name="free"' in body for body in bodies()), why=lambda: rival.log)
                until(lambda: all_differences() == [{}, {}], SETTLE_S, why=lambda: str(all_differences()))
                pages = bodies()
        finally:
            rival.stop()
    ours, theirs = map(read, pages)
    wanted = {family for family in theirs.types if family.startswith(("container_", "machine_", "cadvisor_"))}
    wanted = {family for family in wanted if not NOT_OURS.fullmatch(family)}
    assert wanted - ours.types.keys() - UNDER_V2_ALONE == set()
    both = wanted & ours.types.keys()
    assert len(both) > MANY
    for said, known in ((ours.types, theirs.types), tuple(map(helps, pages))):
        assert {family: said[family] for family in both} == {family: known[family] for family in both}
