"""The collectors of RDMA devices and of listening ports, and their options. Those of RDMA are of the one sampler."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

RDMA: Final[tuple[Collects, ...]] = (
    Collects("rdma", "RDMA devices, ports and counters"),
    Collects("rdma_lens", "counters of RDMA ports, under the names of the Lens node exporter"),
)

LISTENING: Final[tuple[Collects, ...]] = (Collects("listening_ports", "which TCP ports the host listens on", on=False),)

RDMA_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.rdma.interval",
        "duration",
        5.0,
        "Time between two readings of the counters of RDMA devices.",
        unit="seconds",
        minimum=0.5,
        maximum=3600,
    ),
    Setting(
        "collector.rdma.discovery-interval",
        "duration",
        60.0,
        "Time between two readings of what RDMA devices there are and what they are.",
        unit="seconds",
        minimum=1,
        maximum=86_400,
    ),
    Setting(
        "collector.rdma.source",
        "choice",
        "auto",
        "Where RDMA devices are read: sysfs, the programs rdma and ibv_devinfo, or these where sysfs cannot be read"
        " (auto).",
        choices=("auto", "sysfs", "programs"),
    ),
    Setting(
        "collector.rdma.host-programs",
        "bool",
        False,
        "Run the host's rdma and ibv_devinfo from inside a container, and also where sysfs shows no device: needs the"
        " host's PID namespace and the right to enter it.",
    ),
    Setting("collector.rdma.rdma", "path", "", "The program rdma, where it is not found on the path."),
    Setting("collector.rdma.ibv-devinfo", "path", "", "The program ibv_devinfo, where it is not found on the path."),
)

LISTENING_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.listening_ports.interval",
        "duration",
        30.0,
        "Time between two readings of the ports that are listened on.",
        unit="seconds",
        minimum=0.5,
        maximum=3600,
    ),
    Setting(
        "collector.listening_ports.max-ports",
        "int",
        1024,
        "Most ports that get series; the others are counted.",
        minimum=1,
        maximum=65_536,
    ),
)
