"""What the engine says of its containers -> records.

Source: Docker Engine API reference, GET /containers/json and GET /containers/{id}/json, API 1.41 and later; podman's
service answers the same. Absent where the engine says null, "", 0 for a limit, or the year 1 for a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.engine.device_evidence import DeviceMapping, DeviceRequest, Int64, device_evidence
from nodescope.containers.pod_labels import MAX_LABEL_CHARACTERS, pod_fields
from nodescope.containers.user_label import labelled_user
from nodescope.kernel.date import SECONDS_PER_DAY, days_since_1970
from nodescope.kernel.file import Malformed
from nodescope.records.container import SHORT_ID_CHARACTERS, Container

MAX_NAME_CHARACTERS: Final = 255
MAX_IMAGE_CHARACTERS: Final = 512
MAX_ID_CHARACTERS: Final = 128

STATES: Final = {
    "created": "created",
    "configured": "created",
    "initialized": "created",
    "running": "running",
    "paused": "paused",
    "restarting": "restarting",
    "exited": "exited",
    "stopped": "exited",
    "stopping": "running",
    "removing": "exited",
    "dead": "dead",
}
"""The engine's word -> the record's. "configured", "initialized", "stopped" and "stopping" are podman's."""
HEALTH: Final = frozenset({"starting", "healthy", "unhealthy"})
NANOSECONDS: Final = 1_000_000_000
NETWORK_OF: Final = "container:"
"""HostConfig.NetworkMode of a container in the network namespace of the one whose id stands behind it."""

ANY_OCI: Final = "oci"
"""HostConfig.Runtime of every container of podman's."""

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_ID: Final = re.compile(r"[0-9a-f]{12,128}")


class _Health(msgspec.Struct, rename="pascal"):
    status: str | None = None


class _State(msgspec.Struct, rename="pascal"):
    status: str | None = None
    running: bool | None = None
    paused: bool | None = None
    oom_killed: bool | None = msgspec.field(default=None, name="OOMKilled")
    pid: Int64 | None = None
    exit_code: Int64 | None = None
    started_at: str | None = None
    finished_at: str | None = None
    health: _Health | None = None


class _Config(msgspec.Struct, rename="pascal"):
    image: str | None = None
    labels: dict[str, str] | None = None
    env: list[str] | None = None


class _HostConfig(msgspec.Struct, rename="pascal"):
    privileged: bool | None = None
    runtime: str | None = None
    memory: Int64 | None = None
    nano_cpus: Int64 | None = None
    cpu_quota: Int64 | None = None
    cpu_period: Int64 | None = None
    pids_limit: Int64 | None = None
    network_mode: str | None = None
    devices: list[DeviceMapping] | None = None
    device_requests: list[DeviceRequest] | None = None


class _Mount(msgspec.Struct, rename="pascal"):
    source: str | None = None
    destination: str | None = None


class _Manifest(msgspec.Struct):
    digest: str | None = None


class _Inspected(msgspec.Struct, rename="pascal"):
    id: str
    name: str | None = None
    created: str | None = None
    image: str | None = None
    restart_count: Int64 | None = None
    state: _State = msgspec.field(default_factory=_State)
    config: _Config = msgspec.field(default_factory=_Config)
    host_config: _HostConfig = msgspec.field(default_factory=_HostConfig)
    mounts: list[_Mount] | None = None
    image_manifest_descriptor: _Manifest | None = None
    oci_runtime: str | None = msgspec.field(default=None, name="OCIRuntime")


class _Entry(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str] | None = None
    image: str | None = None
    image_id: str | None = msgspec.field(default=None, name="ImageID")
    created: Int64 | None = None
    state: str | None = None
    labels: dict[str, str] | None = None


class Listed(NamedTuple):
    """`containers`: what the list alone tells of each. `malformed`: how many entries were left out."""

    containers: tuple[Container, ...]
    malformed: int


_entries: Final = msgspec.json.Decoder(list[msgspec.Raw])
_entry: Final = msgspec.json.Decoder(_Entry)
_inspected: Final = msgspec.json.Decoder(_Inspected)


def parse_list(body: bytes, runtime: str, labels: Collection[str], source: str) -> Listed:
    """Of GET /containers/json. Raises `Malformed` where it is no list; a bad entry costs itself alone."""
    try:
        raws = _entries.decode(body)
    except BAD_JSON as error:
        raise Malformed(source, _complaint(error), "a list of containers in JSON") from None
    found = []
    for raw in raws:
        try:
            entry = _entry.decode(raw)
        except BAD_JSON:
            continue
        if _ID.fullmatch(entry.id):
            found.append(_from_entry(entry, runtime, labels))
    return Listed(tuple(found), len(raws) - len(found))


def _from_entry(entry: _Entry, runtime: str, labels: Collection[str]) -> Container:
    told = entry.labels or {}
    image = entry.image or ""
    return Container(
        runtime=runtime,
        id=entry.id,
        name=_name(_own_name(entry.names or ()), entry.id),
        image=image[:MAX_IMAGE_CHARACTERS] or None,
        image_digest=digest(entry.image_id, image),
        labels=_allowed(told, labels),
        state=STATES.get((entry.state or "").lower(), "exited"),
        created_seconds=float(entry.created) if entry.created and entry.created > 0 else None,
        user=labelled_user(told),
        **pod_fields(told),
    )


def parse_container(body: bytes, runtime: str, labels: Collection[str], source: str) -> Container:
    """Of GET /containers/{id}/json. `labels`: the names of those to keep. Raises `Malformed`."""
    try:
        told = _inspected.decode(body)
    except BAD_JSON as error:
        raise Malformed(source, _complaint(error), "a container in JSON") from None
    if not _ID.fullmatch(told.id):
        raise Malformed(source, told.id, "a container's id")
    state, config, host = told.state, told.config, told.host_config
    named = config.labels or {}
    image = config.image or ""
    status = _status(state)
    started = seconds(state.started_at)
    health = state.health.status if state.health else None
    mounts = [(mount.source, mount.destination) for mount in told.mounts or () if mount.destination]
    manifest = told.image_manifest_descriptor.digest if told.image_manifest_descriptor else None
    return Container(
        runtime=runtime,
        id=told.id,
        name=_name(told.name or "", told.id),
        image=image[:MAX_IMAGE_CHARACTERS] or None,
        image_digest=digest(manifest or told.image, image),
        labels=_allowed(named, labels),
        state=status,
        health=health if health in HEALTH else None,
        pid=_positive(state.pid),
        exit_code=state.exit_code if status in ("exited", "dead", "restarting") and started is not None else None,
        oom_killed=bool(state.oom_killed),
        restarts=told.restart_count,
        created_seconds=seconds(told.created),
        started_seconds=started,
        finished_seconds=seconds(state.finished_at),
        privileged=bool(host.privileged),
        joins_network=(host.network_mode or "").startswith(NETWORK_OF),
        memory_limit_bytes=_positive(host.memory),
        cpu_limit_cores=_cores(host),
        pids_limit=_positive(host.pids_limit),
        devices=device_evidence(
            host.device_requests or (),
            host.devices or (),
            mounts,
            config.env or (),
            # A privileged container sees all GPUs by whatever runtime.
            None if host.privileged else _oci_runtime(told),
        ),
        user=labelled_user(named),
        **pod_fields(named),
    )


def seconds(told: str | None) -> float | None:
    """Unix time of an RFC 3339 time; None where there is none, which engines write as the year 1."""
    found = _TIME.fullmatch(told) if told else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    if year < 1970 or not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    days = days_since_1970(year, month, day)
    whole = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset
    nanoseconds = int((fraction or "0").ljust(9, "0"))
    # One division, as with the time of an event, so that equal times are equal numbers.
    return (whole * NANOSECONDS + nanoseconds) / NANOSECONDS if whole > 0 else None


def digest(image_id: str | None, reference: str) -> str | None:
    """ "sha256:...": the manifest's where the engine or the image's name tells it, else that of its configuration."""
    named = reference.rpartition("@")[2] if "@" in reference else image_id or ""
    if len(named) == 64 and ":" not in named:  # podman's, without the name of the hash
        named = f"sha256:{named}"
    return named[:MAX_ID_CHARACTERS] if ":" in named else None


def _oci_runtime(told: _Inspected) -> str | None:
    """The name of the OCI runtime, which podman tells in a field of its own, by name or path, and not in Docker's."""
    named = told.host_config.runtime
    return os.path.basename(told.oci_runtime) if told.oci_runtime and named in (None, "", ANY_OCI) else named


def _status(state: _State) -> str:
    word = (state.status or "").lower()
    if word in STATES:
        return STATES[word]
    return "paused" if state.paused else "running" if state.running else "exited"


def _allowed(told: dict[str, str], labels: Collection[str]) -> dict[str, str]:
    return {name: told[name][:MAX_LABEL_CHARACTERS] for name in labels if name in told}


def _name(told: str, container_id: str) -> str:
    return told.removeprefix("/")[:MAX_NAME_CHARACTERS] or container_id[:SHORT_ID_CHARACTERS]


def _own_name(names: Sequence[str]) -> str:
    """A container has a name below that of each container that is linked to it, too: "/web/db" beside "/db"."""
    return min(names, key=lambda name: name.count("/"), default="")


def _cores(host: _HostConfig) -> float | None:
    if host.nano_cpus and host.nano_cpus > 0:
        return host.nano_cpus / NANOSECONDS
    if host.cpu_quota and host.cpu_quota > 0:
        return host.cpu_quota / (host.cpu_period if host.cpu_period and host.cpu_period > 0 else 100_000)
    return None


def _positive(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None


def _complaint(error: Exception) -> str:
    """What the decoder said, which names fields and types and no value: the bytes themselves may hold secrets."""
    return str(error)
