"""Roles: the same agent with another exporter's port, names and collectors."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.settings.host import HOST


class Alias(NamedTuple):
    """Another program's environment name for a setting, and how its value is written here: `{}` stands for it."""

    environment: str
    key: str
    form: str = "{}"


class Role(NamedTuple):
    """`collectors`: names from the table of collectors. `aliases`: other words for the role. `interval`: of its samples
    where it is not the setting's own default.
    """

    name: str
    title: str
    port: int
    profile: str
    collectors: tuple[str, ...]
    help: str
    aliases: tuple[str, ...] = ()
    interval: str = ""
    environment: tuple[Alias, ...] = ()


HOST_COLLECTORS: Final = tuple(collects.name for collects in HOST)
_DCGM: Final = (
    Alias("DCGM_EXPORTER_LISTEN", "web.listen-address"),
    Alias("DCGM_EXPORTER_COLLECTORS", "collector.gpu_dcgm.fields"),
    Alias("DCGM_EXPORTER_INTERVAL", "collector.gpu.interval", "{}ms"),
)
_GPU: Final = "NVIDIA GPUs under dcgm-exporter's names"

TABLE: Final[tuple[Role, ...]] = (
    Role(
        "agent",
        "nodescope",
        9100,
        "native",
        (*HOST_COLLECTORS, "gpu", "gpu_dcgm"),
        "everything this machine has",
    ),
    Role(
        "node",
        "nodescope node exporter",
        9100,
        "node_exporter",
        HOST_COLLECTORS,
        "host metrics under node_exporter's names and flags",
        ("node-exporter",),
    ),
    Role(
        "gpu",
        "nodescope GPU exporter",
        9400,
        "dcgm",
        ("gpu_dcgm",),
        _GPU,
        ("dcgm-exporter",),
        environment=_DCGM,
    ),
    Role(
        "gpu-native",
        "nodescope GPU exporter",
        9400,
        "native",
        ("gpu",),
        "GPUs under OpenTelemetry's names",
    ),
    Role(
        "gpu-worker",
        "nodescope GPU exporter",
        9511,
        "worker",
        ("gpu_worker",),
        "NVIDIA GPUs under the names of the worker GPU exporter",
        ("ffmpeg-gpu-exporter",),
        "5s",
        (Alias("GPU_EXPORTER_PORT", "web.listen-address", ":{}"),),
    ),
    Role(
        "gpu-epic",
        "nodescope GPU exporter",
        9445,
        "epic",
        ("gpu_epic",),
        "GPUs under the names of the mock GPU exporter",
        interval="15s",
    ),
)

BY_NAME: Final[dict[str, Role]] = {word: role for role in TABLE for word in (role.name, *role.aliases)}

PROFILES: Final[dict[str, dict[str, Role]]] = {
    "gpu": {role.profile: role for role in TABLE if role.name.startswith("gpu")},
}
"""Role -> profile -> the role that it is with `--profile`."""


def with_profile(role: Role, profile: str) -> Role | None:
    """The role with another dialect, None where it has no such one."""
    return PROFILES.get(role.name, {role.profile: role}).get(profile)
