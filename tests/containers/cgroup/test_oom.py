"""nodescope.containers.cgroup.oom: kills that outlive the cgroup."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.containers.cgroup.oom import MAX_KEPT, OomDeath, OomKills
from nodescope.containers.cgroup.path import ContainerPath
from nodescope.containers.cgroup.reader import Sample
from nodescope.containers.cgroup.tree import Found
from nodescope.containers.cgroup.usage import ContainerUsage
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import ID, OTHER, Clock, mount_v1, mount_v2, put_v1, put_v2, restart_v2

CGROUP = f"/docker/{ID}"


def events(kills: int) -> dict[str, str]:
    return {"memory.events": f"low 0\nhigh 0\nmax 0\noom 0\noom_kill {kills}\n"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    mount_v2(machine)
    return machine


def above(machine: Machine, kills: int) -> None:
    machine.write("sys/fs/cgroup/docker/memory.events", events(kills)["memory.events"])


def test_kills_are_kept_across_death_and_restart(machine: Machine) -> None:
    """Kills are counted over all cgroups that the id had; they go when the runtime deletes it."""
    clock = Clock()
    put_v2(machine, CGROUP, events(2))
    use = ContainerUsage(machine.host, clock)
    assert use.look().oom_kills == {ID: 2}
    restart_v2(machine, CGROUP, events(0))
    snapshot = use.look()
    assert (snapshot.uses[0].oom_kills, snapshot.deaths) == (2, (OomDeath(ID, CGROUP, 2),))
    put_v2(machine, CGROUP, events(1))
    assert use.look().uses[0].oom_kills == 3
    machine.remove(f"sys/fs/cgroup{CGROUP}")
    snapshot = use.look()
    assert (snapshot.uses, snapshot.oom_kills, snapshot.deaths) == ((), {ID: 3}, (OomDeath(ID, CGROUP, 1),))
    use.forget(ID)
    assert use.look().oom_kills == {}


def test_a_counter_that_starts_again(machine: Machine) -> None:
    """A count that is less than before is of a new cgroup, though the filesystem gave it the same number."""
    put_v2(machine, CGROUP, events(4))
    use = ContainerUsage(machine.host, Clock())
    use.look()
    put_v2(machine, CGROUP, events(1))
    assert use.look().oom_kills == {ID: 5}


def test_a_kill_that_nobody_saw(machine: Machine) -> None:
    """The cgroup above counted a kill and its only container went: it was that one's, and is marked inferred."""
    put_v2(machine, CGROUP, events(0))
    put_v2(machine, f"/docker/{OTHER}", events(0))
    above(machine, 5)
    use = ContainerUsage(machine.host, Clock())
    use.look()
    machine.remove(f"sys/fs/cgroup{CGROUP}")
    put_v2(machine, f"/docker/{OTHER}", events(1))
    above(machine, 7)
    snapshot = use.look()
    assert snapshot.deaths == (OomDeath(ID, CGROUP, 1, inferred=True),)
    assert snapshot.oom_kills == {ID: 1, OTHER: 1}


@pytest.mark.parametrize(
    ("neighbour", "in_peace", "kills"),
    [
        ("slurmstepd.scope", True, {}),
        ("slurmstepd.scope", False, {ID: 1}),
        (f"docker-{OTHER}.scope", True, {ID: 1}),
        (f"libpod-conmon-{ID}.scope", True, {ID: 1}),
    ],
)
def test_a_kill_that_may_be_a_neighbours(
    machine: Machine, neighbour: str, in_peace: bool, kills: dict[str, int]
) -> None:
    """A kill that only the cgroup above counted is not of a container that ended well, where others are beside it."""
    scope = f"/system.slice/docker-{ID}.scope"
    put_v2(machine, scope, events(0))
    put_v2(machine, f"/system.slice/{neighbour}", events(0))
    machine.write("sys/fs/cgroup/system.slice/memory.events", events(3)["memory.events"])
    use = ContainerUsage(machine.host, Clock())
    use.look()
    machine.remove(f"sys/fs/cgroup{scope}")
    machine.write("sys/fs/cgroup/system.slice/memory.events", events(4)["memory.events"])
    snapshot = use.look()
    assert snapshot.deaths == (OomDeath(ID, scope, 1, inferred=True),)
    settled = use.settled(snapshot, {ID} if in_peace else set())
    assert settled.oom_kills == use.look().oom_kills
    assert {container_id: count for container_id, count in settled.oom_kills.items() if count} == kills


def test_no_kill_and_two_gone(machine: Machine) -> None:
    """Without a kill above a death is a plain one; of two that went at once nobody can say whose kill it was."""
    put_v2(machine, CGROUP, events(0))
    above(machine, 1)
    use = ContainerUsage(machine.host, Clock())
    use.look()
    machine.remove(f"sys/fs/cgroup{CGROUP}")
    assert use.look().deaths == (OomDeath(ID, CGROUP, 0),)
    put_v2(machine, CGROUP, events(0))
    put_v2(machine, f"/docker/{OTHER}", events(0))
    use.look({"again": "/docker"})
    machine.remove(f"sys/fs/cgroup{CGROUP}")
    machine.remove(f"sys/fs/cgroup/docker/{OTHER}")
    above(machine, 3)
    assert {(death.oom_kills, death.inferred) for death in use.look().deaths if death.id != "again"} == {(0, False)}


def test_v1(tmp_path: Path) -> None:
    """v1 counts kills too; that one removes its cgroup in steps is one death, not two."""
    machine = Machine(tmp_path)
    mount_v1(machine)
    put_v1(machine, CGROUP)
    use = ContainerUsage(machine.host, Clock())
    assert use.look().oom_kills == {ID: 2}
    machine.remove(f"sys/fs/cgroup/pids{CGROUP}")
    assert use.look().deaths == ()
    for controller in ("memory", "cpu,cpuacct", "blkio"):
        machine.remove(f"sys/fs/cgroup/{controller}{CGROUP}")
    snapshot = use.look()
    assert (snapshot.deaths, snapshot.oom_kills) == ((OomDeath(ID, CGROUP, 2),), {ID: 2})


def test_a_host_that_does_not_count() -> None:
    """Where kills are not counted a death says so, and the container is not among the counted ones."""
    kills = OomKills(lambda folder: None)
    found = {ID: Found(ContainerPath("docker", ID, cgroup=CGROUP), None, CGROUP)}
    kills.see(found, {ID: Sample(frozenset({(1, 1)}), {}, {})})
    assert kills.kills == {}
    assert kills.see({}, {}) == (OomDeath(ID, CGROUP, None),)


def test_the_dead_are_bounded() -> None:
    """Of more dead ones than the bound the oldest are forgotten."""
    kills = OomKills(lambda folder: None)
    for number in range(MAX_KEPT + 2):
        name = str(number)
        found = {name: Found(ContainerPath(None, name, cgroup=f"/{name}"), None, f"/{name}")}
        kills.see(found, {name: Sample(frozenset({(1, number)}), {"oom_kills": 1}, {})})
    kills.see({}, {})
    assert len(kills.kills) == MAX_KEPT
    assert "0" not in kills.kills
