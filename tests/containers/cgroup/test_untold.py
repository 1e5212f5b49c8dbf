"""Containers that their cgroup alone tells of."""

from __future__ import annotations

from nodescope.containers.cgroup.path import container_of
from nodescope.containers.cgroup.untold import PATIENCE_SECONDS, Untold
from nodescope.records.container import Container, RuntimeStatus

IDS = tuple(letter * 64 for letter in "abcdef")
UID = "0d6f5a1c-1c1f-4b7e-9f0e-4f7f5d1f9a11"
PATHS = {
    place.id: place
    for path in (
        f"/system.slice/docker-{IDS[0]}.scope",
        f"/kubepods/pod{UID}/{IDS[1]}",
        f"/team/{IDS[2]}",
        f"/docker/{IDS[0]}/docker/{IDS[3]}",
        f"/machine.slice/libpod-{IDS[4]}.scope",
        "/default/redis",
    )
    if (place := container_of(path)) is not None
}


def found(told: set[str], *answering: str, frozen: tuple[str, ...] = ()) -> dict[str, Container]:
    statuses = [RuntimeStatus(runtime=runtime, socket="/s", state="ok") for runtime in answering]
    untold = Untold(iter((0.0, PATIENCE_SECONDS)).__next__)
    return {
        one.id[0]: one
        for one in untold.of(
            PATHS, told, [*statuses, RuntimeStatus(runtime="cri-o", socket="/s", state="denied")], frozen.__contains__
        )
    }


def test_without_any_runtime() -> None:
    """Each has its id, its runtime where the path tells it, its pod and cgroup; not one within another, nor a name."""
    told = found(set())
    assert told.keys() == set("abce")
    assert told["b"] == Container(
        runtime="cri-containerd", id=IDS[1], name=IDS[1][:12], pod_uid=UID, cgroup=f"/kubepods/pod{UID}/{IDS[1]}"
    )
    assert (told["a"].runtime, told["c"].runtime, told["e"].runtime) == ("docker", "unknown", "podman")


def test_a_frozen_one_is_paused() -> None:
    """What its cgroup says is frozen is shown as paused, all others as running."""
    states = {letter: one.state for letter, one in found(set(), frozen=(IDS[1],)).items()}
    assert states == {"a": "running", "b": "paused", "c": "running", "e": "running"}


def test_what_a_runtime_answers_for() -> None:
    """A runtime that answers tells all of its own; what any may have made is left out as soon as one answers."""
    assert found(set(), "docker").keys() == set("be")
    assert found(set(), "containerd").keys() == set("ae")
    assert found({IDS[4]}, "docker").keys() == set("b")


def test_what_is_in_a_users_slice() -> None:
    """The host's runtimes know nothing of what users run without root; that user's own engine does, and no other's."""
    session = "/user.slice/user-1000.slice/user@1000.service/user.slice"
    names = (f"libpod-{IDS[0]}.scope", f"docker-{IDS[1]}.scope", f"nerdctl-{IDS[2]}.scope", IDS[3])
    places = [container_of(f"{session}/{name}") for name in names]
    paths = {place.id: place for place in places if place is not None}
    hosts = {runtime: f"/run/{runtime}.sock" for runtime in ("podman", "docker", "containerd")}

    def ids(**sockets: str) -> set[str]:
        statuses = [RuntimeStatus(runtime=runtime, socket=socket, state="ok") for runtime, socket in sockets.items()]
        return {one.id[0] for one in Untold().of(paths, (), statuses, lambda _: False)}

    assert ids(**hosts) == ids(**{**hosts, "podman": "/run/user/100/podman/podman.sock"}) == set("abcd")
    assert ids(**{**hosts, "podman": "/run/user/1000/podman/podman.sock"}) == set("bc")


def test_what_is_in_roots_slice() -> None:
    """What root runs in a session of its own, as podman may without systemd, the host's runtimes know."""
    place = container_of(f"/user.slice/user-0.slice/session-1.scope/libpod-{IDS[0]}")
    assert place is not None
    status = RuntimeStatus(runtime="podman", socket="/run/podman/podman.sock", state="ok")
    assert list(Untold().of({place.id: place}, (), [status], lambda _: False)) == []


def test_a_runtime_that_has_not_answered_yet() -> None:
    """At the start a runtime whose socket is there is waited for; then what it does not tell is told by the cgroup."""
    now = 100.0
    untold = Untold(lambda: now)
    pending = [RuntimeStatus(runtime="docker", socket="/s", state="absent")]

    def ids() -> set[str]:
        return {one.id[0] for one in untold.of(PATHS, (), pending, lambda _: False)}

    assert ids() == set("be")
    assert untold.waits(pending)
    assert not untold.waits([])
    now += PATIENCE_SECONDS
    assert ids() == set("abce")
    assert not untold.waits(pending)
