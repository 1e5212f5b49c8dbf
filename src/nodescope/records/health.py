"""Records of health: verdicts on what is no GPU."""

from __future__ import annotations

import msgspec


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one component of one device, as `GpuHealth` is of a GPU.

    `component`: "rdma", "pcie", "nvme", "nvme_paths", "memory", "driver". `subject`: the device: a port ("mlx5_0/1"), a
    PCI address, a controller ("nvme0"), a subsystem's NQN, a memory module ("mc0/dimm3"), a driver's vendor. `state`:
    "ok", "warning", "critical" or "unknown"; `value`: 0 ok, 1 warning, 2 critical, 3 unknown. `evidence`: what was
    read, in numbers; `action`: what to do.
    """

    component: str
    subject: str
    state: str
    value: int
    reason: str = ""
    evidence: str = ""
    action: str = ""
