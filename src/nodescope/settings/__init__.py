"""Settings: one table. Precedence: flag > NODESCOPE_* environment > YAML file > default of the role > default."""

from __future__ import annotations

from typing import Final

from nodescope.settings.agent import AGENT, SIMULATE
from nodescope.settings.api import API
from nodescope.settings.container import CONTAINER, CONTAINER_OPTIONS, MACHINE
from nodescope.settings.gpu import GPU, GPU_OPTIONS
from nodescope.settings.health import HEALTH, HEALTH_OPTIONS
from nodescope.settings.host import HOST
from nodescope.settings.host_options import HOST_OPTIONS
from nodescope.settings.kubelet import KUBELET, KUBELET_OPTIONS
from nodescope.settings.memory import MEMORY, MEMORY_OPTIONS
from nodescope.settings.nvme import NVME, NVME_OPTIONS
from nodescope.settings.pci import PCI, PCI_OPTIONS
from nodescope.settings.rdma import LISTENING, LISTENING_OPTIONS, RDMA, RDMA_OPTIONS
from nodescope.settings.setting import ENVIRONMENT_PREFIX, Origin, Setting, Settings, SettingsError

__all__ = ["BY_KEY", "ENVIRONMENT_PREFIX", "TABLE", "Origin", "Setting", "Settings", "SettingsError"]

_ENABLED: Final = tuple(
    Setting(
        f"collector.{collects.name}.enabled",
        "bool",
        collects.on,
        f"Collect {collects.what}.",
        flag=f"collector.{collects.name}",
    )
    for collects in (*HOST, *GPU, *RDMA, *PCI, *NVME, *MEMORY, *HEALTH, *LISTENING, *CONTAINER, *MACHINE, *KUBELET)
)
_OPTIONS: Final = (
    *HOST_OPTIONS,
    *GPU_OPTIONS,
    *RDMA_OPTIONS,
    *PCI_OPTIONS,
    *NVME_OPTIONS,
    *MEMORY_OPTIONS,
    *HEALTH_OPTIONS,
    *LISTENING_OPTIONS,
    *CONTAINER_OPTIONS,
    *KUBELET_OPTIONS,
)


def _collectors() -> tuple[Setting, ...]:
    """The switch of each collector, with its options behind it."""
    options: dict[str, list[Setting]] = {}
    for option in _OPTIONS:
        options.setdefault(option.key.split(".")[1], []).append(option)
    return tuple(row for switch in _ENABLED for row in (switch, *options.get(switch.key.split(".")[1], ())))


TABLE: Final[tuple[Setting, ...]] = (*AGENT, *API, *_collectors(), *SIMULATE)

BY_KEY: Final[dict[str, Setting]] = {setting.key: setting for setting in TABLE}
