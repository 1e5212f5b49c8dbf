"""Containers and events of the Container Runtime Interface, from its messages.

Source: kubernetes/cri-api pkg/apis/runtime/v1/api.proto. Times there are nanoseconds since 1970; 0 is "not yet".
`info`, which only a verbose status has, is each runtime's own JSON: containerd's and CRI-O's have `pid`, `runtimeSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

import nodescope._msgspec  # noqa: F401
from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.containerd.parts import allowed_labels, image_parts
from nodescope.containers.grpc.wire import Message
from nodescope.containers.lifecycle import Heard
from nodescope.containers.oci import devices, spec
from nodescope.containers.pod_labels import LABELS
from nodescope.containers.user_label import labelled_user
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container, ContainerDevice

CREATED: Final = 0
RUNNING: Final = 1
EXITED: Final = 2
STATES: Final = {CREATED: "created", RUNNING: "running", EXITED: "exited"}
EVENT_KINDS: Final = {0: "created", 1: "running", 2: "exited", 3: "deleted"}
OOM_REASON: Final = "OOMKilled"
MAX_INFO_BYTES: Final = 4 * 1024 * 1024


class _SecurityContext(msgspec.Struct):
    privileged: bool = False


class _ConfigLinux(msgspec.Struct):
    security_context: _SecurityContext | None = None


class _CdiDevice(msgspec.Struct):
    name: str = ""


class _Config(msgspec.Struct):
    linux: _ConfigLinux | None = None
    cdi_devices: list[_CdiDevice] | None = msgspec.field(default=None, name="CDI_devices")


class _Info(msgspec.Struct):
    pid: int | None = None
    privileged: bool = False
    # No "| None": msgspec would take that for all that may stand there.
    spec: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw, name="runtimeSpec")
    config: _Config | None = None


_INFO: Final = msgspec.json.Decoder(_Info)


class Pod(NamedTuple):
    """A pod's sandbox."""

    name: str
    namespace: str
    uid: str


class Inside(NamedTuple):
    """What only a verbose status tells: the first process, and the facts of the specification."""

    pid: int | None = None
    facts: spec.Facts = spec.NO_FACTS
    privileged: bool = False
    devices: tuple[ContainerDevice, ...] = ()


def seconds(nanoseconds: int) -> float | None:
    """Unix seconds; None for 0, and for the -6795364578871345152 that Go makes of its zero time."""
    return nanoseconds / 1e9 if nanoseconds > 0 else None


def pods(message: Message) -> dict[str, Pod]:
    """Sandbox id -> pod: message ListPodSandboxResponse."""
    found = {}
    for sandbox in message.messages(1):
        metadata = sandbox.message(2)
        found[sandbox.text(1)] = Pod(metadata.text(1), metadata.text(3), metadata.text(2))
    return found


def inside(info: Mapping[str, str], source: str) -> Inside:
    """Of a verbose status's `info`. Raises `Malformed`; without the text, for it holds the environment."""
    text = info.get("info", "")
    if not text:
        return Inside()
    if len(text) > MAX_INFO_BYTES:
        raise Malformed(source, f"{len(text)} characters", f"info of at most {MAX_INFO_BYTES}")
    try:
        told = _INFO.decode(text)
    except BAD_JSON as error:
        raise Malformed(source, type(error).__name__, "the info of a container as JSON") from None
    config = told.config or _Config()
    context = config.linux.security_context if config.linux else None
    specification = bytes(told.spec)
    facts = spec.parse(specification, source) if specification not in (b"", b"null") else spec.NO_FACTS
    named = devices.by_cdi_names(device.name for device in config.cdi_devices or ())
    privileged = told.privileged or facts.privileged or bool(context and context.privileged)
    return Inside(told.pid or None, facts, privileged, devices.bounded((*facts.devices, *named)))


def container(
    listed: Message, status: Message, known: Inside, pod: Pod | None, runtime: str, allowed: Callable[[str], bool]
) -> Container:
    """A container: messages Container and, where it was asked for, ContainerStatus (else an empty one)."""
    labels = listed.string_map(8)
    name = listed.message(3).text(1)
    state = STATES.get(listed.number(6), "dead")
    image, digest = image_parts(status.message(8).text(1) or listed.message(4).text(1))
    _, ref_digest = image_parts(status.text(9) or listed.text(5))
    return Container(
        runtime=runtime,
        id=listed.text(1),
        name=name or listed.text(1),
        namespace="k8s.io" if runtime == "cri-containerd" else None,
        image=image,
        image_digest=digest or ref_digest,
        labels=allowed_labels(labels, allowed),
        state=state,
        pid=known.pid if state == "running" else None,
        exit_code=status.signed(7) if state == "exited" and status.has(1) else None,
        oom_killed=status.text(10) == OOM_REASON,
        restarts=listed.message(3).number(2),
        created_seconds=seconds(listed.signed(7)),
        started_seconds=seconds(status.signed(5)),
        finished_seconds=seconds(status.signed(6)),
        cgroup=known.facts.cgroup,
        privileged=known.privileged,
        memory_limit_bytes=known.facts.memory_limit_bytes,
        cpu_limit_cores=known.facts.cpu_limit_cores,
        pids_limit=known.facts.pids_limit,
        devices=known.devices,
        pod_name=pod.name if pod else labels.get(LABELS["pod_name"]),
        pod_namespace=pod.namespace if pod else labels.get(LABELS["pod_namespace"]),
        pod_uid=pod.uid if pod else labels.get(LABELS["pod_uid"]),
        pod_container=name or labels.get(LABELS["pod_container"]),
        user=labelled_user(labels),
    )


def heard(data: bytes, source: str, now_seconds: float) -> tuple[Heard, ...]:
    """What an event of GetContainerEvents tells: message ContainerEventResponse. Raises `Malformed`.

    The CRI has no event of its own for a kill for memory: it is the reason in the status that comes with the exit.
    Events of the pod's sandbox itself, which is none of its containers, are passed over.
    """
    message = Message(data, source)
    id_, kind = message.text(1), EVENT_KINDS.get(message.number(2))
    at = seconds(message.signed(3)) or now_seconds
    status = next((status for status in message.messages(5) if status.text(1) == id_), None)
    if kind is None or not id_ or message.message(4).text(1) == id_:
        return ()
    if status is None:
        return (Heard(id_, kind, at),)
    name = status.message(2).text(1) or None
    if kind != "exited":
        return (Heard(id_, kind, at, name=name),)
    ended = Heard(id_, kind, seconds(status.signed(6)) or at, name=name, exit_code=status.signed(7))
    return (ended._replace(kind="oom_killed", exit_code=None), ended) if status.text(10) == OOM_REASON else (ended,)
