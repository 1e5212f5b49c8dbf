"""Records of NVMe controllers and their namespaces, on PCI and over fabrics."""

from __future__ import annotations

import msgspec


class NvmeController(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A controller. `name`: "nvme0". `transport`: "pcie", "rdma", "tcp", "fc", "loop". `transport_address`: a PCI
    address, or what the fabric needs ("traddr=10.0.0.1,trsvcid=4420"). `state`: "live", "connecting", "dead" ...
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
