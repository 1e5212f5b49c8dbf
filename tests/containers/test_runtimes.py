"""All runtimes of a host together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from nodescope.containers.engine.room import USERS as USERS_ROOM
from nodescope.containers.grpc.wire import encode_bytes
from nodescope.containers.kept import KeptContainers
from nodescope.containers.runtimes import MOBY, Runtimes
from nodescope.host import Host
from nodescope.records.container import NOT_ASKED, ContainerEvent
from tests.conftest import NoThreads
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.grpc_fake import serving

LONG_S = 20.0
QUIET_S = 0.5
LISTED = encode_bytes(1, encode_bytes(1, "a" * 64))


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def engine(root: Path) -> Iterator[FakeEngine]:
    with FakeEngine(root / "run/docker.sock") as running:
        yield running


class Agent:
    """What an agent does with runtimes, from its start to its end."""

    def __init__(self, root: Path, kept: KeptContainers, labels: Collection[str] = ()) -> None:
        self.events: list[ContainerEvent] = []
        self.runtimes = Runtimes(Host(rootfs=str(root)), labels, self.events.append, kept)

    def ready(self) -> None:
        """Waits until its runtime is followed."""
        self.runtimes.look()
        wait_for(lambda: [status.state for status in self.runtimes.statuses()] == ["ok"])

    def told(self, count: int) -> list[str]:
        """So many events, and none more in a short while."""
        wait_for(lambda: len(self.events) >= count)
        time.sleep(QUIET_S)
        return [f"{event.name} {'~' * event.inferred}{event.kind}" for event in self.events]


def test_a_host_without_runtimes(root: Path) -> None:
    """Where nothing listens there are no containers and no statuses, and nothing is started."""
    agent = Agent(root, KeptContainers(None))
    agent.runtimes.look()
    assert (agent.runtimes.containers(), agent.runtimes.statuses()) == ((), ())
    agent.runtimes.close()


def test_an_engine_is_followed(root: Path, engine: FakeEngine) -> None:
    """Its containers are known, what happens to them is passed on at once, and it is told how it fares."""
    container = engine.create(1, name="web")
    agent = Agent(root, KeptContainers(None))
    agent.ready()
    assert [one.name for one in agent.runtimes.containers()] == ["web"]
    (status,) = agent.runtimes.statuses()
    assert (status.runtime, status.state) == ("docker", "ok")
    engine.start(container)
    assert agent.told(1) == ["web running"]
    agent.runtimes.killed({container: 0})
    agent.runtimes.killed({container: 1})
    assert [(event.kind, event.evidence) for event in agent.events[1:]] == [("oom_killed", "cgroup")]
    agent.runtimes.close()
    assert agent.runtimes.containers() == ()
    agent.runtimes.look()
    assert agent.runtimes.statuses() == ()


def test_first_answers(root: Path, engine: FakeEngine) -> None:
    """Who waits has the containers of an engine that answers; one that hangs is waited for no longer than told."""
    engine.start(engine.create(1, "web"))
    runtimes = Runtimes(Host(rootfs=str(root)), (), lambda event: None)
    runtimes.look()
    runtimes.first_answers(LONG_S)
    assert [one.name for one in runtimes.containers()] == ["web"]
    runtimes.close()
    engine.faults[""] = "hang"
    runtimes = Runtimes(Host(rootfs=str(root)), (), lambda event: None)
    runtimes.look()
    runtimes.first_answers(0.1)
    assert [(one.state, one.reason) for one in runtimes.statuses()] == [("absent", NOT_ASKED)]
    runtimes.close()


def test_a_users_engine_takes_no_container_of_the_hosts(root: Path, engine: FakeEngine) -> None:
    """A user's own engine, which may say anything, tells of its containers, and not of those that the host's knows."""
    engine.create(1, name="web")
    (root / "run/user/1000").mkdir(parents=True)
    with FakeEngine(root / "run/user/1000/docker.sock") as own:
        own.create(1, name="not-web")
        own.create(2, name="own")
        agent = Agent(root, KeptContainers(None))
        agent.runtimes.look()
        wait_for(lambda: [status.state for status in agent.runtimes.statuses()] == ["ok", "ok"])
        assert [one.name for one in agent.runtimes.containers()] == ["web", "own"]
        agent.runtimes.close()


def test_a_link_to_another_users_engine(root: Path) -> None:
    """A user who links to another's engine gets none of its containers as his own, and does not hide them."""
    for uid in ("1000", "1001"):
        (root / f"run/user/{uid}").mkdir(parents=True)
    (root / "run/user/1000/docker.sock").symlink_to("../1001/docker.sock")
    with FakeEngine(root / "run/user/1001/docker.sock") as other:
        other.create(1, name="hers")
        agent = Agent(root, KeptContainers(None))
        agent.ready()
        assert [(one.name, one.engine_uid) for one in agent.runtimes.containers()] == [("hers", 1001)]
        agent.runtimes.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user, which takes root")
def test_a_folder_of_another_than_who_listens(root: Path) -> None:
    """Who listens below a user's folder, reached in whatever way, is that user or is not asked."""
    folder = root / "run/user/1000"
    folder.mkdir(parents=True)
    os.chown(folder, 1000, 1000)
    with FakeEngine(folder / "docker.sock") as roots:
        roots.create(1)
        agent = Agent(root, KeptContainers(None))
        agent.runtimes.look()
        wait_for(lambda: [status.state for status in agent.runtimes.statuses()] == ["failed"])
        (status,) = agent.runtimes.statuses()
        assert status.reason.endswith("user 0 listens there, expected user 1000, whose folder it is in")
        assert (agent.runtimes.containers(), list(roots.requests)) == ((), [])
        agent.runtimes.close()


def silence(end: threading.Event) -> Iterator[bytes]:
    """A stream of no events."""
    end.wait(LONG_S)
    yield from ()


def test_a_users_engine_hides_no_containers_of_docker(root: Path) -> None:
    """Docker's containers that containerd tells of are shown, whatever engine a user has: the host's alone has them."""
    (root / "run/user/1000").mkdir(parents=True)
    (root / "run/containerd").mkdir()
    services = "/containerd.services"
    hung = threading.Event()
    unary = {
        f"{services}.version.v1.Version/Version": lambda *_: encode_bytes(1, "2.0"),
        f"{services}.namespaces.v1.Namespaces/List": lambda *_: encode_bytes(1, encode_bytes(1, MOBY)),
        f"{services}.tasks.v1.Tasks/List": lambda *_: b"",
    }
    streaming = {
        f"{services}.containers.v1.Containers/ListStream": lambda *_: iter(
            [encode_bytes(1, encode_bytes(1, "a" * 64))]
        ),
        f"{services}.events.v1.Events/Subscribe": lambda *_: silence(hung),
    }
    with (
        FakeEngine(root / "run/user/1000/docker.sock"),
        serving(root / "run/containerd/containerd.sock", unary, streaming),
    ):
        agent = Agent(root, KeptContainers(None))
        agent.runtimes.look()
        wait_for(lambda: [status.state for status in agent.runtimes.statuses()] == ["ok", "ok"])
        wait_for(lambda: [one.id for one in agent.runtimes.containers()] == ["a" * 64])
        hung.set()
        agent.runtimes.close()


@pytest.mark.parametrize(("uid", "known"), [("1000", USERS_ROOM.containers), ("0", USERS_ROOM.containers + 1)])
def test_a_users_engine_has_less_room(root: Path, uid: str, known: int) -> None:
    """A user's own engine cannot fill the agent with containers; root's can."""
    (root / f"run/user/{uid}").mkdir(parents=True)
    with FakeEngine(root / f"run/user/{uid}/docker.sock") as own:
        for number in range(USERS_ROOM.containers + 1):
            own.create(number)
        agent = Agent(root, KeptContainers(None))
        agent.ready()
        assert len(agent.runtimes.containers()) == known
        agent.runtimes.close()


@pytest.mark.parametrize(
    ("uid", "whose", "pod"),
    [("1000", (None, 1000), (None, None, None, None)), ("0", ("ada", None), ("train-0", "ml", "0d6f5a1c", "main"))],
)
def test_a_users_engine_says_not_whose_a_container_is(
    root: Path, uid: str, whose: tuple[str | None, int | None], pod: tuple[str | None, ...]
) -> None:
    """A container of a user's own engine is that user's, and of no pod, whatever its labels say; root is believed."""
    (root / f"run/user/{uid}").mkdir(parents=True)
    labels = {
        "ds01.user": "ada",
        "io.kubernetes.pod.name": "train-0",
        "io.kubernetes.pod.namespace": "ml",
        "io.kubernetes.pod.uid": "0d6f5a1c",
        "io.kubernetes.container.name": "main",
    }
    with FakeEngine(root / f"run/user/{uid}/docker.sock") as own:
        own.create(1, name="own", Labels=labels)
        agent = Agent(root, KeptContainers(None))
        agent.ready()
        (one,) = agent.runtimes.containers()
        assert (one.user, one.engine_uid) == whose
        assert (one.pod_name, one.pod_namespace, one.pod_uid, one.pod_container) == pod
        agent.runtimes.close()


def test_what_happened_while_the_agent_was_down(root: Path, engine: FakeEngine) -> None:
    """After a restart of the agent exactly what it missed is told, once, in order and marked as inferred."""
    names = ("stays", "ends", "goes", "again", "oom", "paused", "sleeps")
    ids = {name: engine.create(number, name) for number, name in enumerate(names, 1)}
    for name in names[:-1]:
        engine.start(ids[name])
    path = str(root / "state/containers.json")
    first = Agent(root, kept := KeptContainers(path))
    first.ready()
    engine.die(ids["stays"], 1)
    engine.start(ids["stays"])
    assert first.told(2) == ["stays exited", "stays restarted"]
    first.runtimes.close()
    kept.close()
    engine.die(ids["ends"], 4)
    engine.die(ids["goes"], 0)
    engine.remove(ids["goes"])
    engine.die(ids["again"], 1)
    engine.start(ids["again"], pid=5000)
    engine.die(ids["oom"], 137, oom=True)
    engine.pause(ids["paused"])
    engine.start(engine.create(9, "new"))
    second = Agent(root, kept := KeptContainers(path))
    second.ready()
    told = second.told(10)
    assert {name: [event.split()[1] for event in told if event.split()[0] == name] for name in (*names, "new")} == {
        "stays": [],
        "ends": ["~exited"],
        "goes": ["~exited", "~deleted"],
        "again": ["~exited", "~restarted"],
        "oom": ["~oom_killed", "~exited"],
        "paused": ["~paused"],
        "sleeps": [],
        "new": ["~created", "~running"],
    }
    assert len(told) == 10
    codes = {event.name: event.exit_code for event in second.events if event.kind == "exited"}
    assert codes == {"ends": 4, "goes": None, "again": None, "oom": 137}
    second.runtimes.close()
    kept.close()
    third = Agent(root, kept := KeptContainers(path))
    third.ready()
    assert third.told(0) == []
    third.runtimes.close()
    kept.close()


def test_an_engine_that_comes_back_after_the_agent(root: Path, engine: FakeEngine) -> None:
    """What was known outlives a run of the agent in which the engine never answered, and nothing is shown of it."""
    one = engine.create(1, "train")
    engine.start(one)
    path = str(root / "containers.json")
    first = Agent(root, kept := KeptContainers(path))
    first.ready()
    first.runtimes.close()
    kept.close()
    engine.faults["version"] = "500"
    second = Agent(root, kept := KeptContainers(path))
    second.runtimes.look()
    wait_for(lambda: [status.state for status in second.runtimes.statuses()] == ["failed"])
    assert second.runtimes.containers() == ()
    second.runtimes.close()
    kept.close()
    engine.faults.clear()
    engine.die(one, 5)
    third = Agent(root, kept := KeptContainers(path))
    third.ready()
    assert third.told(1) == ["train ~exited"]
    third.runtimes.close()
    kept.close()


def test_a_reload_of_the_settings(root: Path, engine: FakeEngine) -> None:
    """Another that looks goes on where the one before ended: no event is lost or told twice."""
    kept = KeptContainers(None)
    agents = [Agent(root, kept, labels=()) for _ in range(4)]
    agents[0].ready()
    ids: list[str] = []
    for number, agent in enumerate(agents):
        agent.ready()
        for _ in range(5):
            ids.append(engine.create(len(ids) + 1))
            engine.start(ids[-1])
        if number:
            agents[number - 1].runtimes.close()
    wait_for(lambda: sum(len(agent.events) for agent in agents) >= 2 * len(ids))
    time.sleep(QUIET_S)
    events = [event for agent in agents for event in agent.events]
    assert {one: [event.kind for event in events if event.id == one] for one in ids} == {
        one: ["created", "running"] for one in ids
    }
    kept.close()
    assert agents[-1].runtimes.statuses() == ()


def test_sockets_that_are_named(root: Path, engine: FakeEngine) -> None:
    """Sockets that are asked for are followed and no others, each by what its name says; one that is absent says so."""
    named = [f"{root}/own.sock", f"{root}/k0s/containerd.sock", f"{root}/crio.sock"]
    with FakeEngine(root / "own.sock"):
        runtimes = Runtimes(Host(rootfs=str(root)), (), lambda event: None, sockets=named)
        runtimes.look()
        wait_for(lambda: [status.state for status in runtimes.statuses()] == ["ok", "absent", "absent"])
        told = {status.socket: status.runtime for status in runtimes.statuses()}
        assert told == dict(zip(named, ("docker", "containerd", "cri"), strict=True))
        runtimes.close()


def test_a_moment_without_threads(
    root: Path, engine: FakeEngine, no_threads: NoThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine for which there was no thread is followed from the next look on."""
    monkeypatch.setattr("nodescope.containers.runtimes.LOOK_SECONDS", 0.0)
    engine.create(1, name="web")
    agent = Agent(root, KeptContainers(None))
    with no_threads():
        agent.runtimes.look()
    assert agent.runtimes.statuses() == ()
    agent.ready()
    assert [one.name for one in agent.runtimes.containers()] == ["web"]
    agent.runtimes.close()
