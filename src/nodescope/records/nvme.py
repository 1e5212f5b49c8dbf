"""Records of NVMe controllers and their namespaces, on PCI and over fabrics."""

from __future__ import annotations

from math import inf
from typing import Final

import msgspec

NEVER: Final = -1


class NvmeController(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A controller. `name`: "nvme0". `transport`: "pcie", "rdma", "tcp", "fc", "loop". `transport_address`: a PCI
    address, or what the fabric needs ("traddr=10.0.0.1,trsvcid=4420"). `state`: "live", "connecting", "dead" ...
    `reconnect_delay_seconds`: how long it waits between two attempts to connect again; `loss_timeout_seconds`: after
    how long without a connection it is given up; -1 for never.
    """

    name: str
    model: str | None = None
    serial: str | None = None
    firmware_version: str | None = None
    controller_id: int | None = None
    transport: str | None = None
    transport_address: str | None = None
    state: str | None = None
    numa_node: int | None = None
    queue_count: int | None = None
    subsystem: str | None = None
    subsystem_nqn: str | None = None
    reconnect_delay_seconds: int | None = None
    loss_timeout_seconds: int | None = None

    @property
    def live(self) -> int | None:
        """1 where it takes commands, 0 where it does not."""
        return None if self.state is None else int(self.state == "live")

    @property
    def known_state(self) -> int | None:
        """1 where the state is known."""
        return None if self.state is None else 1

    @property
    def reconnect_delay_limit_seconds(self) -> float | None:
        """`reconnect_delay_seconds` with never as infinity."""
        return inf if self.reconnect_delay_seconds == NEVER else self.reconnect_delay_seconds

    @property
    def loss_timeout_limit_seconds(self) -> float | None:
        """`loss_timeout_seconds` with never as infinity."""
        return inf if self.loss_timeout_seconds == NEVER else self.loss_timeout_seconds


class NvmeNamespace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A namespace. `name`: "nvme0n1". `subsystem`: whose it is. `ana_states`: of each path, by controller's name."""

    name: str
    subsystem: str | None = None
    namespace_id: int | None = None
    wwid: str | None = None
    size_bytes: int | None = None
    logical_block_size_bytes: int | None = None
    used_bytes: int | None = None
    ana_states: dict[str, str] = {}


class NvmePath(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to a namespace. `ana_state`: "optimized", "non-optimized", "inaccessible", "persistent-loss", or
    "change" while it is changing.
    """

    namespace: str
    controller: str
    ana_state: str
    subsystem: str | None = None
