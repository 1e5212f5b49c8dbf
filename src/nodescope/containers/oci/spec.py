"""The runtime specification of a container (config.json), as containerd and the CRI hand it out.

Source: opencontainers/runtime-spec config.md, config-linux.md. Arguments, and all variables of the environment but
those of `oci.devices`, are never kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

import nodescope._msgspec  # noqa: F401
from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.oci import devices
from nodescope.kernel.file import Malformed
from nodescope.records.container import ContainerDevice

MAX_SPEC_BYTES: Final = 4 * 1024 * 1024
UNLIMITED_BYTES: Final = 1 << 62
ANY_DEVICE: Final = (None, -1)


class _Process(msgspec.Struct):
    env: list[msgspec.Raw] | None = None


class _Device(msgspec.Struct):
    path: str = ""
    major: int | None = None
    minor: int | None = None


class _Mount(msgspec.Struct):
    destination: str = ""
    source: str | None = None


class _Rule(msgspec.Struct):
    allow: bool = False
    type: str | None = None
    major: int | None = None
    minor: int | None = None
    access: str | None = None


class _Memory(msgspec.Struct):
    limit: int | None = None


class _Cpu(msgspec.Struct):
    quota: int | None = None
    period: int | None = None


class _Pids(msgspec.Struct):
    limit: int | None = None


class _Resources(msgspec.Struct):
    devices: list[_Rule] | None = None
    memory: _Memory | None = None
    cpu: _Cpu | None = None
    pids: _Pids | None = None


class _Linux(msgspec.Struct):
    devices: list[_Device] | None = None
    resources: _Resources | None = None
    cgroups_path: str | None = msgspec.field(default=None, name="cgroupsPath")


class _Spec(msgspec.Struct):
    process: _Process | None = None
    mounts: list[_Mount] | None = None
    annotations: dict[str, str] | None = None
    linux: _Linux | None = None


class Facts(NamedTuple):
    """What a specification tells. Limits: None where there is none. `annotations` are not to leave the agent."""

    devices: tuple[ContainerDevice, ...] = ()
    annotations: Mapping[str, str] = MappingProxyType({})
    cgroup: str | None = None
    memory_limit_bytes: int | None = None
    cpu_limit_cores: float | None = None
    pids_limit: int | None = None
    privileged: bool = False


NO_FACTS: Final = Facts()
_DECODER: Final = msgspec.json.Decoder(_Spec)


def parse(data: bytes, source: str) -> Facts:
    """Facts of a specification. Raises `Malformed`; without the bytes, for they hold the environment."""
    if len(data) > MAX_SPEC_BYTES:
        raise Malformed(source, f"{len(data)} bytes", f"a specification of at most {MAX_SPEC_BYTES} bytes")
    try:
        spec = _DECODER.decode(data)
    except BAD_JSON as error:
        raise Malformed(source, type(error).__name__, "a runtime specification (OCI config.json)") from None
    linux = spec.linux or _Linux()
    resources = linux.resources or _Resources()
    found = [
        devices.by_path(devices.host_path(device.path, device.major, device.minor), "device")
        for device in linux.devices or ()
        if device.path
    ]
    found += devices.by_annotations(spec.annotations or {})
    for mount in spec.mounts or ():
        found += devices.by_mount(mount.source, mount.destination)
    found += devices.by_environment(_variables(spec.process))
    return Facts(
        devices.bounded(found),
        spec.annotations or {},
        cgroup_path(linux.cgroups_path),
        _bytes(resources.memory),
        _cores(resources.cpu),
        resources.pids.limit if resources.pids and (resources.pids.limit or 0) > 0 else None,
        any(_every_device(rule) for rule in resources.devices or ()),
    )


def cgroup_path(path: str | None) -> str | None:
    """`linux.cgroupsPath` below the cgroup root; systemd's "slice:prefix:name" is "/<slices>/prefix-name.scope".

    A slice "a-b.slice" lies in "a.slice", and "-.slice" is the root (systemd.slice(5)).
    """
    if not path:
        return None
    parts = path.split(":")
    if len(parts) != 3:
        return path if path.startswith("/") else None
    slice_, prefix, name = parts
    words = (slice_ or "system.slice").removesuffix(".slice").split("-")
    above = "/".join("-".join(words[: end + 1]) + ".slice" for end in range(len(words)) if any(words))
    unit = name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    return f"/{above}/{unit}" if above else f"/{unit}"


def _variables(process: _Process | None) -> list[bytes]:
    # Raw, so that no variable but those that speak of GPUs is ever even decoded.
    kept = []
    for raw in (process.env if process else None) or ():
        variable = bytes(raw).strip(b'" \t\r\n')
        if variable.partition(b"=")[0] in devices.ENVIRONMENT:
            kept.append(variable)
    return kept


def _bytes(memory: _Memory | None) -> int | None:
    limit = memory.limit if memory else None
    return limit if limit and 0 < limit < UNLIMITED_BYTES else None


def _cores(cpu: _Cpu | None) -> float | None:
    if cpu is None or not cpu.quota or not cpu.period or cpu.quota <= 0 or cpu.period <= 0:
        return None
    return cpu.quota / cpu.period


def _every_device(rule: _Rule) -> bool:
    everything = rule.type in (None, "a") and rule.major in ANY_DEVICE and rule.minor in ANY_DEVICE
    return rule.allow and everything and "w" in (rule.access or "")
