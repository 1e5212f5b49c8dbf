"""Roles: the same agent with another exporter's port, names and collectors."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nodescope.settings.host import HOST
from nodescope.settings.value import OPPOSITE


class Alias(NamedTuple):
    """Another program's environment name for a setting, and how its value is written here: see `in_form`."""

    environment: str
    key: str
    form: str = "{}"


class Role(NamedTuple):
    """`collectors`: names from the table of collectors. `aliases`: other words for the role. `interval`: of its samples
    where it is not the setting's own default. `defaults`: further settings whose default is another. `further`:
    collectors that a listener of the role may name besides its own. `serves_api`: whether the REST API is there too.
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
    defaults: tuple[tuple[str, Any], ...] = ()
    further: tuple[str, ...] = ()
    serves_api: bool = False

    @property
    def own_defaults(self) -> dict[str, Any]:
        """By key, all settings whose default is another where a command runs as this role."""
        interval = {"collector.gpu.interval": self.interval} if self.interval else {}
        return {"web.listen-address": (f"127.0.0.1:{self.port}",), **interval, **dict(self.defaults)}

    @property
    def asked_for(self) -> frozenset[str]:
        """Collectors that are off by default, but not in this role."""
        return frozenset(name for name in self.collectors if (f"collector.{name}.enabled", True) in self.defaults)


HOST_COLLECTORS: Final = tuple(collects.name for collects in HOST)
_HELD: Final = ("container",)
_DEVICES: Final = ("gpu", "gpu_dcgm", "gpu_rocm", "rdma", "pci", "nvme_fabrics", "memory_modules", "link_health")
_DCGM: Final = (
    Alias("DCGM_EXPORTER_LISTEN", "web.listen-address"),
    Alias("DCGM_EXPORTER_COLLECTORS", "collector.gpu_dcgm.fields"),
    Alias("DCGM_EXPORTER_DEVICES_STR", "collector.gpu_dcgm.devices"),
    Alias("DCGM_EXPORTER_INTERVAL", "collector.gpu.interval", "{}ms"),
    Alias("DCGM_EXPORTER_KUBERNETES", "collector.gpu_dcgm.kubernetes"),
    Alias("DCGM_EXPORTER_NO_HOSTNAME", "collector.gpu_dcgm.hostname", OPPOSITE),
    Alias("DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME", "collector.gpu_dcgm.model-dashes"),
    Alias("DCGM_EXPORTER_USE_OLD_NAMESPACE", "collector.gpu_dcgm.old-labels"),
    Alias("KUBERNETES_VIRTUAL_GPUS", "collector.gpu_dcgm.virtual-gpus"),
    Alias("DCGM_POD_RESOURCES_KUBELET_SOCKET", "collector.kubelet.pod-resources-socket"),
)
_CONDUCTOR: Final = (
    Alias("EXPORTER_PORT", "web.listen-address", ":{}"),
    Alias("COLLECTION_INTERVAL", "collector.gpu.interval"),
    Alias("METRICS_PATH", "web.telemetry-path"),
)
"""LOG_LEVEL is a setting's own name in the environment; NODE_NAME is read by the collector."""

_GPU: Final = "NVIDIA GPUs under dcgm-exporter's names"

TABLE: Final[tuple[Role, ...]] = (
    Role(
        "agent",
        "nodescope",
        9100,
        "native",
        (*HOST_COLLECTORS, *_DEVICES, *_HELD, "kubelet", "listening_ports"),
        "everything this machine has",
        further=(
            "gpu_worker",
            "gpu_epic",
            "gpu_conductor",
            "gpu_lens",
            "rdma_lens",
            "container_cadvisor",
            "machine",
            "docker_stats",
            "kubelet_lens",
        ),
        serves_api=True,
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
    Role(
        "container",
        "nodescope container exporter",
        8080,
        "cadvisor",
        ("container_cadvisor", "machine"),
        "containers under cAdvisor's names",
        ("cadvisor",),
    ),
    Role(
        "docker-stats",
        "nodescope docker-stats exporter",
        9501,
        "worker",
        ("docker_stats",),
        "containers under the names of the worker docker-stats exporter",
        ("ffmpeg-docker-stats-exporter",),
        environment=(Alias("DOCKER_STATS_PORT", "web.listen-address", ":{}"),),
    ),
    Role(
        "rocm",
        "nodescope GPU exporter",
        5000,
        "rocm",
        ("gpu_rocm",),
        "AMD GPUs under device-metrics-exporter's names",
        ("device-metrics-exporter",),
        "1s",
    ),
    Role(
        "conductor",
        "nodescope GPU exporter",
        9400,
        "conductor",
        ("gpu_conductor",),
        "AMD GPUs under the names of the conductor GPU exporter",
        ("gpu-exporter",),
        "30s",
        _CONDUCTOR,
        (("web.disable-exporter-metrics", True),),
    ),
    Role(
        "lens",
        "nodescope node exporter for Primus-Lens",
        8989,
        "lens",
        ("gpu_lens", "rdma_lens", "kubelet_lens", "listening_ports"),
        "GPUs, RDMA links, pods and containers as Primus-Lens' node-exporter shows them",
        ("primus-lens-node-exporter",),
        "5s",
        defaults=(
            ("collector.rdma_lens.enabled", True),
            ("collector.kubelet_lens.enabled", True),
            ("collector.container.follow", True),
            ("collector.rdma.interval", 5.0),
            ("collector.rdma.discovery-interval", 60.0),
        ),
        serves_api=True,
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
