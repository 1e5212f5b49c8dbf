"""Records of RDMA devices, of every vendor: InfiniBand, RoCE, iWARP."""

from __future__ import annotations

import msgspec


class RdmaDevice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an RDMA device is. `index`: the RDMA subsystem's own number of it (`rdma dev`: ifindex).

    `node_type`: "CA", "SWITCH", "RNIC" ... as the kernel writes it behind its number. GUIDs: "0011:2233:4455:6677".
    `uverbs`: its node under /dev/infiniband, "uverbs0". `netdevs`: network interfaces on its ports, in order.
    """

    name: str
    index: int | None = None
    node_type: str | None = None
    node_description: str | None = None
    firmware_version: str | None = None
    hardware_version: str | None = None
    hca_type: str | None = None
    board_id: str | None = None
    node_guid: str | None = None
    sys_image_guid: str | None = None
    driver: str | None = None
    pci_address: str | None = None
    numa_node: int | None = None
    uverbs: str | None = None
    netdevs: tuple[str, ...] = ()


class RdmaPort(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A port of an RDMA device. `link_layer`: "InfiniBand", "Ethernet". `state`: "ACTIVE", "DOWN" ...; `state_value`,
    `physical_state_value`: the numbers before the words. `gid`: the first of its table; `port_guid`: its lower half.
    """

    device: str
    port: int
    link_layer: str | None = None
    state: str | None = None
    state_value: int | None = None
    physical_state: str | None = None
    physical_state_value: int | None = None
    rate_bits_per_second: int | None = None
    lid: int | None = None
    sm_lid: int | None = None
    gid: str | None = None
    port_guid: str | None = None
    netdev: str | None = None


class RdmaCounter(msgspec.Struct, frozen=True, kw_only=True):
    """A counter of a port, as the kernel counts it (`*_data` in words of four bytes). `group`: "counters" or
    "hw_counters", its folder in sysfs. `counter`: the name of its file. `port`: None for a counter of the device.
    """

    device: str
    port: int | None
    group: str
    counter: str
    value: int


class RdmaSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where records of RDMA come from: `kind` "sysfs" or "rdma" (the program). `devices`: how many it knows.

    `unresponsive`: how many of them have a file that does not answer. `left_out`: files and lines of the newest reading
    that could not be used.
    """

    kind: str
    devices: int
    unresponsive: int = 0
    left_out: int = 0
