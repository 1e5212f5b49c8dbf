"""The collectors of containers, and the options of their one sampler."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

CONTAINER: Final[tuple[Collects, ...]] = (
    Collects("container", "containers, and whose each GPU is, under OpenTelemetry's names"),
    Collects("container_cadvisor", "containers, under cAdvisor's names"),
    Collects("docker_stats", "containers, under the names of the worker docker-stats exporter"),
)

MACHINE: Final[tuple[Collects, ...]] = (
    Collects("machine", "CPUs and memory of the machine that containers run on, under cAdvisor's names"),
)

CONTAINER_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.container.interval",
        "duration",
        5.0,
        "Time between two samples of all containers.",
        unit="seconds",
        minimum=0.5,
        maximum=3600,
    ),
    Setting(
        "collector.container.sockets",
        "list",
        (),
        "Sockets of container runtimes, as nodescope reaches them. One whose file name has containerd or crio in it is "
        "spoken to by gRPC, any other as a Docker Engine. Empty: those in the usual places.",
    ),
    Setting(
        "collector.container.labels",
        "list",
        (),
        "Labels of containers that are kept and shown; no other label leaves the agent.",
    ),
    Setting(
        "collector.container.show",
        "choice",
        "all",
        "Containers to show in metrics, /pods and events: all, or those that were given a GPU, an RDMA device, "
        "either, or both.",
        choices=("all", "gpu", "rdma", "gpu-or-rdma", "gpu-and-rdma"),
    ),
    Setting(
        "collector.container.image-include",
        "python-regex",
        "",
        "Images whose containers to show (not with image-exclude).",
    ),
    Setting(
        "collector.container.image-exclude",
        "python-regex",
        "",
        "Images whose containers to leave out (not with image-include).",
    ),
    Setting(
        "collector.container.label-include",
        "list",
        (),
        "Labels of which a container must have one to be shown, each NAME, or NAME=REGEX for its value. The labels are "
        "looked at, not shown.",
    ),
    Setting(
        "collector.container.label-exclude",
        "list",
        (),
        "Labels of which a container must have none to be shown, as in label-include.",
    ),
    Setting(
        "collector.container.follow",
        "bool",
        False,
        "Follow containers for /pods and for events where no listener shows their metrics too.",
    ),
)
