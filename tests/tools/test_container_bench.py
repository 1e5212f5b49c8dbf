"""The benchmark of containers."""

from __future__ import annotations

import time
from pathlib import Path

from nodescope.containers.cgroup.network import ContainerNetworks
from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.containers.cgroup.usage import ContainerUsage
from nodescope.containers.engine.follower import EngineFollower
from nodescope.host import Host
from nodescope.records.container import ContainerEvent
from tools import container_rivals
from tools.bench_report import MB
from tools.container_bench import Cost, Crowded, Flood, bars, section
from tools.container_crowd import EVENTS_OF_A_LIFE, NO_PID, Crowd
from tools.container_rivals import Beside, Watching

DEADLINE_S = 20.0
OURS = [
    Watching(f"nodescope exporter {role}", 1000, [40.0, 41.0, 59.0], 0.5, 4.0, [0.004, 0.005], 30 * MB)
    for role in container_rivals.EXPORTERS
]
THEIRS = Watching("docker stats --no-stream", 0, [100.0, 90.0, 110.0], 700.0, None, [3.0, 3.1], 50 * MB)
FLOOD = Flood(12, 2400, 2400, 0, 0, 70.0, 40 * MB, 41 * MB)
CROWDED = Crowded([30.0, 31.0, 45.0], 12.0, 15000, 36 * MB, 12 * MB)
COST = Cost(Beside(200, "27.0", 30.0, [*OURS, THEIRS], "cAdvisor is not installed."), FLOOD, CROWDED)


def test_bars() -> None:
    """Each of nodescope's figures has its own limit, an event told twice is none better than a lost one."""
    found = list(bars(COST))
    assert [bar.measured for bar in found] == [41.0, 41.0, 31.0, 48.0, 0.0, 1.0]
    assert all(bar.met for bar in found)
    late = FLOOD._replace(told=2402, rss_after=45 * MB)
    crowded = CROWDED._replace(cycles_ms=[61.0], agent_pss=40 * MB)
    assert not any(bar.met for bar in bars(Cost(None, late, crowded)))


def test_section() -> None:
    """Each program is a line beside the others; what was not measured has no table."""
    shown = section(COST)
    assert "| nodescope exporter container | 1000 | 41.0 | 46.7 | 0.5 | 4.00 | 4.0 | 5.0 | 30.0 |" in shown
    assert "| docker stats --no-stream | - | 100.0 | 100.0 | 700.0 | - | 3000.0 | 3100.0 | 50.0 |" in shown
    assert "| 12 | 2400 | 2400 | 0 | 0 | 70.0 | 40.0 | 41.0 |" in shown
    assert "docker stats" not in section(COST._replace(beside=None))


def test_a_crowd_is_a_host_with_containers(tmp_path: Path) -> None:
    """The cgroups and the interfaces of all are read; processes that are there ask for a GPU."""
    with Crowd(tmp_path / "c", 3, (4711,)).up() as crowd:
        host = Host(f"{crowd.root}/proc", f"{crowd.root}/sys", str(crowd.root))
        usage = ContainerUsage(host).look()
        assert (len(usage.uses), usage.left_out) == (3, 0)
        first = next(use for use in usage.uses if use.id.endswith("1"))
        assert (first.cgroup, first.pids) == (f"/docker/{first.id}", 17)
        networks = ContainerNetworks(host, ProcessCgroups(host))
        pids = {use.id: 4711 if use is first else NO_PID + int(use.id, 16) - 1 for use in usage.uses}
        assert {read.id for read in networks.read(pids)} == set(pids)
        assert networks.left_out == 0


def test_a_flood_tells_four_events_of_each(tmp_path: Path) -> None:
    """What comes and goes is heard by who follows the engine, whole, and its cgroups go with it."""
    with Crowd(tmp_path / "c", 2).up() as crowd:
        heard: list[ContainerEvent] = []
        follower = EngineFollower(f"{crowd.root}/run/docker.sock", heard.append)
        follower.start()
        deadline = time.monotonic() + DEADLINE_S
        while follower.status().state != "ok":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        crowd.flood(0.2, 50)
        assert crowd.events == 2 * crowd.lives
        crowd.settle()
        assert crowd.events == EVENTS_OF_A_LIFE * crowd.lives == 40
        while len(heard) < crowd.events:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert [event.kind for event in heard].count("deleted") == 10
        assert not any(event.inferred for event in heard)
        assert len(list((crowd.root / "sys/fs/cgroup/docker").iterdir())) == 2
        follower.close()
