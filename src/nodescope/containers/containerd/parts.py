"""Containers, tasks and events of containerd, from its messages.

Source: containerd's api/services/{containers,tasks,events}/v1, api/types/task, api/events. Labels: those of
`pod_labels`, containerd's CRI plugin and nerdctl.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

import nodescope._msgspec  # noqa: F401
from nodescope.containers.grpc.wire import Message
from nodescope.containers.lifecycle import Heard
from nodescope.containers.oci import spec
from nodescope.containers.pod_labels import MAX_LABEL_CHARACTERS, pod_fields
from nodescope.containers.user_label import labelled_user
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container

SANDBOX: Final = "sandbox"
MAX_LABELS: Final = 64
OOM_KILLED: Final = 1

_KIND: Final = "io.cri-containerd.kind"
_STATES: Final = {1: "created", 2: "running", 3: "exited", 4: "paused", 5: "running"}


logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """The first process of a container. `state`: of `Container`."""

    id: str
    pid: int | None
    state: str | None
    exit_code: int | None
    finished_seconds: float | None
    oom_killed: bool


def no_label(_name: str) -> bool:
    """The label list that lets none through."""
    return False


def allowed_labels(labels: dict[str, str], allowed: Callable[[str], bool]) -> dict[str, str]:
    """The labels that may leave the agent, cut to bounds."""
    kept = {name: value[:MAX_LABEL_CHARACTERS] for name, value in labels.items() if allowed(name)}
    return dict(sorted(kept.items())[:MAX_LABELS])


def image_parts(reference: str) -> tuple[str | None, str | None]:
    """("name:tag", "sha256:...") of an image's reference; None for what it lacks."""
    name, at, digest = reference.partition("@")
    if name.startswith("sha256:") and not at:
        return None, name
    return name or None, digest or None


def task(message: Message) -> Task:
    """A task: message Process."""
    state = _STATES.get(message.number(4))
    stopped = state == "exited"
    return Task(
        message.text(1) or message.text(2),
        (message.number(3) or None) if not stopped else None,
        state,
        message.number(9) if stopped else None,
        message.seconds(10) if stopped else None,
        stopped and message.number(11) == OOM_KILLED,
    )


def container(
    message: Message, namespace: str, of: Task | None, allowed: Callable[[str], bool], source: str
) -> Container | None:
    """A container: message Container, and its task where it has one. None for a pod's sandbox, which runs nothing.

    A specification that cannot be read costs what it would have told, not the container.
    """
    labels = message.string_map(2)
    if labels.get(_KIND) == SANDBOX:
        return None
    id_ = message.text(1)
    try:
        facts = (
            spec.parse(message.message(5).raw(2), f"{source}: {namespace}/{id_}") if message.has(5) else spec.NO_FACTS
        )
    except Malformed as error:
        logger.debug("%s", error)
        facts = spec.NO_FACTS
    image, digest = image_parts(message.text(3))
    of = of or Task(id_, None, None, None, None, False)
    of_pod = pod_fields(labels)
    return Container(
        runtime="cri-containerd" if _KIND in labels else "containerd",
        id=id_,
        name=of_pod.get("pod_container") or labels.get("nerdctl/name") or id_,
        namespace=namespace,
        image=image,
        image_digest=digest,
        labels=allowed_labels(labels, allowed),
        state=of.state or "created",
        pid=of.pid,
        exit_code=of.exit_code,
        oom_killed=of.oom_killed,
        created_seconds=message.seconds(8),
        finished_seconds=of.finished_seconds,
        cgroup=facts.cgroup,
        privileged=facts.privileged,
        memory_limit_bytes=facts.memory_limit_bytes,
        cpu_limit_cores=facts.cpu_limit_cores,
        pids_limit=facts.pids_limit,
        devices=facts.devices,
        user=labelled_user(labels),
        **of_pod,
    )


def with_cri(container: Container, told: Container | None) -> Container:
    """The container with what the CRI alone tells of it: it deletes the task of one that has ended."""
    if told is None:
        return container
    return msgspec.structs.replace(
        container,
        name=told.name,
        state=told.state if container.state == "created" and told.state != "running" else container.state,
        exit_code=told.exit_code if container.exit_code is None else container.exit_code,
        oom_killed=container.oom_killed or told.oom_killed,
        restarts=told.restarts,
        started_seconds=told.started_seconds,
        finished_seconds=told.finished_seconds or container.finished_seconds,
        image=told.image or container.image,
        image_digest=container.image_digest or told.image_digest,
        devices=told.devices or container.devices,
        pod_name=told.pod_name,
        pod_namespace=told.pod_namespace,
        pod_uid=told.pod_uid,
        pod_container=told.pod_container,
    )


class Envelope(NamedTuple):
    """An event as containerd sends it. `heard`: nothing where it is of an exec, or of what is not told."""

    namespace: str
    heard: tuple[Heard, ...]


def _of_container(kind: str) -> Callable[[Message, float], tuple[Heard, ...]]:
    return lambda event, at: (Heard(event.text(1), kind, at),)


def _task_start(event: Message, at: float) -> tuple[Heard, ...]:
    return (Heard(event.text(1), "running", at, pid=event.number(2) or None),)


def _task_exit(event: Message, at: float) -> tuple[Heard, ...]:
    id_, process = event.text(1), event.text(2)
    # Each process that was started within a container tells of its exit too, by an id of its own.
    if process not in ("", id_):
        return ()
    at = event.seconds(5) or at
    ended = Heard(id_, "exited", at, pid=event.number(3) or None, exit_code=event.number(4))
    return (Heard(id_, "oom_killed", at), ended) if event.number(6) == OOM_KILLED else (ended,)


_TOPICS: Final = {
    "/containers/create": _of_container("created"),
    "/containers/delete": _of_container("deleted"),
    "/tasks/start": _task_start,
    "/tasks/exit": _task_exit,
    "/tasks/oom": _of_container("oom_killed"),
    "/tasks/paused": _of_container("paused"),
    "/tasks/resumed": _of_container("resumed"),
}


def envelope(data: bytes, source: str, now_seconds: float) -> Envelope:
    """An event of the stream: message Envelope. Raises `Malformed`."""
    message = Message(data, source)
    # The event's type is known by its topic: its type URL lacks the slash that protobuf's own checks expect.
    read = _TOPICS.get(message.text(3))
    if read is None:
        return Envelope(message.text(2), ())
    heard = read(Message(message.message(4).raw(2), source), message.seconds(1) or now_seconds)
    return Envelope(message.text(2), tuple(item for item in heard if item.id))
