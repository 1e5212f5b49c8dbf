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
        "collector.container.labels",
        "list",
        (),
        "Labels of containers that are kept and shown; no other label leaves the agent.",
    ),
)
