"""OOM kills: by the runtime's word, else by the cgroup's count, each once."""

from __future__ import annotations

from nodescope.containers.oom_evidence import OomEvidence
from nodescope.records.container import Container, ContainerEvent

A = {"a": Container(runtime="podman", id="a", name="train", namespace="n")}


def event(kind: str, id_: str = "a") -> ContainerEvent:
    return ContainerEvent(runtime="podman", id=id_, kind=kind, time_seconds=1.0)


def told(events: list[ContainerEvent]) -> list[tuple[str, str]]:
    taken = [(one.kind, one.evidence) for one in events]
    events.clear()
    return taken


def test_a_kill_that_the_runtime_keeps_silent_about() -> None:
    """A count that has grown without a word is told once, by the cgroup; what it was at first sight is not."""
    events: list[ContainerEvent] = []
    ooms = OomEvidence(events.append)
    for count in (4, 4, 5, 5):
        ooms.counted({"a": count, "unknown": count}, A)
    (one,) = events
    assert (one.kind, one.evidence, one.runtime, one.name, one.namespace) == (
        "oom_killed", "cgroup", "podman", "train", "n",
    )  # fmt: skip


def test_a_kill_that_the_runtime_tells() -> None:
    """The runtime's word is told alone, be it before the count or soon after it."""
    events: list[ContainerEvent] = []
    ooms = OomEvidence(events.append)
    ooms.counted({"a": 0}, A)
    ooms.heard(event("oom_killed"))
    ooms.counted({"a": 1}, A)
    assert told(events) == [("oom_killed", "runtime")]
    ooms.counted({"a": 2}, A)
    ooms.heard(event("oom_killed"))
    assert told(events) == [("oom_killed", "cgroup")]
    ooms.heard(event("oom_killed"))
    assert told(events) == [("oom_killed", "runtime")]


def test_a_kill_in_the_first_seconds() -> None:
    """One that was killed between its start and the first look at its cgroup is told of; other events pass."""
    events: list[ContainerEvent] = []
    ooms = OomEvidence(events.append)
    ooms.heard(event("running"))
    ooms.counted({}, A)
    ooms.counted({"a": 1}, A)
    assert told(events) == [("running", "runtime"), ("oom_killed", "cgroup")]
    ooms.heard(event("exited"))
    assert told(events) == [("exited", "runtime")]


def test_a_cgroup_that_is_found_late() -> None:
    """A kill is told once by whoever tells it, however long after it the cgroup, or the container, is known."""
    for word in (False, True):
        events: list[ContainerEvent] = []
        ooms = OomEvidence(events.append)
        ooms.counted({"a": 1}, {})
        ooms.heard(event("running"))
        if word:
            ooms.heard(event("oom_killed"))
        for _ in range(4):
            ooms.counted({}, A)
        ooms.counted({"a": 1}, A)
        assert told(events) == [("running", "runtime"), ("oom_killed", "runtime" if word else "cgroup")]


def test_one_id_in_two_namespaces() -> None:
    """A kill in one of two containers that containerd knows by one name is told of that one, and of the other too."""
    events: list[ContainerEvent] = []
    ooms = OomEvidence(events.append)
    two = [Container(runtime="containerd", id="web", name="web", namespace=namespace) for namespace in ("a", "b")]
    known = {one.key: one for one in two}
    ooms.counted({"a/web": 0, "b/web": 0}, known)
    ooms.heard(ContainerEvent(runtime="containerd", id="web", namespace="a", kind="oom_killed", time_seconds=1.0))
    ooms.counted({"a/web": 1, "b/web": 1}, known)
    assert [(one.namespace, one.id, one.evidence) for one in events] == [
        ("a", "web", "runtime"),
        ("b", "web", "cgroup"),
    ]
