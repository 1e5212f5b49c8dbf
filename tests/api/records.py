"""Records of a node, as samplers give them, and a node that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nodescope.api.node import Sampled
from nodescope.api.service import Answered, Api
from nodescope.api.table import ROUTES
from nodescope.records.amd_static import AmdAsic, AmdBus, AmdStatic, Quantity
from nodescope.records.container import Container, ContainerUse, DeviceClaim
from nodescope.records.dri import DriDevice
from nodescope.records.gpu import (
    GpuIdentity,
    GpuReading,
    InstanceIdentity,
    InstanceReading,
    LinkReading,
    ProcessReading,
)
from nodescope.records.gpu_snapshot import (
    Gpu,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
    GpuThrottle,
    GpuWindow,
    Spread,
)
from nodescope.records.health import DeviceHealth
from nodescope.records.pci import PciDevice, PciNeighbour, RdmaDistance
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort, RdmaSource

GIB: Final = 1 << 30
AGE_S: Final = 1.25


class Node:
    """A node whose newest records are those given."""

    def __init__(self, **records: tuple[Any, ...]) -> None:
        self.records = records
        self.versions: dict[str, str] = {}

    def _sampled(self, name: str) -> Sampled:
        records = self.records.get(name)
        return Sampled() if records is None else Sampled(records, AGE_S)

    def gpus(self) -> Sampled:
        return self._sampled("gpus")

    def rdma(self) -> Sampled:
        return self._sampled("rdma")

    def pci(self) -> Sampled:
        return self._sampled("pci")

    def dri(self) -> Sampled:
        return self._sampled("dri")

    def amd_static(self) -> Sampled:
        return self._sampled("amd_static")

    def pods(self) -> Sampled:
        return self._sampled("pods")

    def health(self) -> Sampled:
        return self._sampled("health")

    def driver_versions(self) -> Mapping[str, str]:
        return self.versions


def ask(node: Any, path: str, configured: str = "standard", **query: Any) -> Answered:
    """What the API answers; a parameter is a value, or a list of them."""
    route = next(route for route in ROUTES if route.path == path)
    given = {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    return Api(node, configured, "nodescope", "1.2.3").answer(route, given)


MI300X: Final = GpuIdentity(
    vendor="amd", uuid="0000000123456789", index=0, pci_address="0000:c1:00.0", model="AMD Instinct MI300X",
    architecture="gfx942", serial="692000000001", vbios_version="113-M3000100-102", driver_version="6.2.4",
    pci_device_id="0x74a1", numa_node=1, dri_card="card0", dri_render="renderD128", compute_partition="SPX",
    memory_partition="NPS1", compute_units=304, oam_id=3, memory_type="HBM3", memory_bit_width=8192,
)  # fmt: skip
H200: Final = GpuIdentity(
    vendor="nvidia", uuid="GPU-8a1b", index=0, pci_address="0000:18:00.0", model="NVIDIA H200", architecture="hopper",
    serial="165000000001", part_number="692-2G520-0200-000", vbios_version="96.00.BC.00.01", pci_device_id="0x233510DE",
    pci_subsystem_id="0x18BE10DE", driver_version="570.124.06", numa_node=0,
)  # fmt: skip
ARC: Final = GpuIdentity(vendor="intel", uuid="0000:4d:00.0", pci_address="0000:4d:00.0", pci_device_id="56c0")

MI300X_READING: Final = GpuReading(
    utilization_percent=75.5, memory_utilization_percent=12.0, memory_total_bytes=192 * GIB,
    memory_used_bytes=round(192 * GIB * 0.602), junction_temperature_celsius=61.0, temperature_celsius=61.0,
    memory_temperature_celsius=48.0, power_milliwatts=652_500, power_limit_milliwatts=750_000,
    pcie_max_generation=5, pcie_max_width_lanes=16, driver_fields={"gfx_activity_acc": 538_658_132},
)  # fmt: skip
H200_READING: Final = GpuReading(
    utilization_percent=97.0, memory_total_bytes=141 * GIB, memory_used_bytes=70 * GIB, temperature_celsius=55.0,
    power_instant_milliwatts=400_250,
)  # fmt: skip


def gpu(identity: GpuIdentity, reading: GpuReading | None = None, **changes: Any) -> Gpu:
    fields: dict[str, Any] = {"state": "ok", "reason": "", "up": 1, "age_seconds": 0.5, **changes}
    return Gpu(identity=identity, reading=reading or GpuReading(), **fields)


def link(identity: GpuIdentity, number: int, active: int, remote: str | None = None) -> GpuLink:
    reading = LinkReading(link=number, active=active, remote_type="gpu", remote_pci_address=remote)
    return GpuLink(identity=identity, reading=reading)


def process(identity: GpuIdentity, pid: int, memory: int | None) -> GpuProcess:
    return GpuProcess(identity=identity, reading=ProcessReading(pid=pid, type="compute", memory_used_bytes=memory))


def verdict(identity: GpuIdentity, component: str, state: str, value: int) -> GpuHealth:
    return GpuHealth(
        identity=identity, component=component, state=state, value=value, reason=f"{component} is {state}",
        evidence="x = 1", action="look at it",
    )  # fmt: skip


def partition(number: int) -> GpuInstance:
    """One of the MI300X's parts, on its own PCI function."""
    uuid = f"{MI300X.uuid}-{number}"
    return GpuInstance(
        identity=MI300X, gpu=gpu(MI300X), first=1,
        instance=InstanceIdentity(
            gpu_uuid=MI300X.uuid, uuid=uuid, index=number, profile="CPX", pci_address=f"0000:c1:00.{number}",
            dri_card=f"card{number}",
        ),
        reading=InstanceReading(
            uuid=uuid, utilization_percent=10.0 * number, memory_total_bytes=24 * GIB, memory_used_bytes=12 * GIB
        ),
    )  # fmt: skip


STATIC: Final = AmdStatic(
    gpu=0,
    asic=AmdAsic(market_name="AMD Instinct MI300X", device_id="0x74a1", asic_serial="0x123456789", rev_id="0x00"),
    bus=AmdBus(bdf="0000:C1:00.0", max_pcie_width=16, max_pcie_speed=Quantity(32, "GT/s")),
)

RDMA: Final = (
    RdmaDevice(
        name="mlx5_0", index=0, node_type="CA", firmware_version="28.39.1002", node_guid="9803:9bff:fe12:3456",
        sys_image_guid="9803:9bff:fe12:3456", pci_address="0000:c3:00.0", uverbs="uverbs0",
    ),
    RdmaPort(device="mlx5_0", port=2, link_layer="Ethernet"),
    RdmaPort(device="mlx5_0", port=1, link_layer="InfiniBand", state="ACTIVE", port_guid="9803:9b12:3456:7890"),
    RdmaCounter(device="mlx5_0", port=1, group="hw_counters", counter="rx_write_requests", value=7),
    RdmaDevice(name="bnxt_re3"),
    RdmaSource(kind="sysfs", devices=2),
)  # fmt: skip
DRI: Final = (
    DriDevice(
        pci_address="0000:c1:00.0", card="/dev/dri/card0", card_id=0, render="/dev/dri/renderD128", driver="amdgpu"
    ),
)
PCI: Final = (
    PciDevice(address="0000:c0:01.0", kind="root_port", numa_node=1, root="pci0000:c0"),
    PciDevice(
        address="0000:c1:00.0", kind="gpu", vendor_id="1002", device_id="74a1", subsystem_device_id="74a1",
        revision="00", driver="amdgpu", parent="0000:c0:01.0", root="pci0000:c0", numa_node=1, local_cpus="48-95",
        link_speed_gigatransfers_per_second=16.0, max_link_speed_gigatransfers_per_second=32.0, link_width_lanes=16,
        max_link_width_lanes=16, names=("card0",),
    ),
    PciDevice(
        address="0000:c3:00.0", kind="rdma", parent="0000:c0:01.0", root="pci0000:c0", numa_node=1, names=("mlx5_0",)
    ),
    PciNeighbour(address="0000:c1:00.0", other="0000:c3:00.0", distance="PIX"),
    RdmaDistance(gpu="0000:c1:00.0", rdma="mlx5_0", rdma_address="0000:c3:00.0", distance="PIX", nearest=1),
)  # fmt: skip
GPUS: Final = (
    gpu(MI300X, MI300X_READING, window=GpuWindow(seconds=30, samples=30, utilization_percent=Spread(70, 80, 75))),
    gpu(H200, H200_READING),
    gpu(ARC, state="lost", reason="it no longer answers", up=0, age_seconds=None),
    link(MI300X, 0, 1, "0000:18:00.0"),
    link(MI300X, 1, 0),
    process(MI300X, 71, 5 * GIB),
    process(MI300X, 72, None),
    process(MI300X, 73, 9 * GIB),
    GpuThrottle(identity=MI300X, reason="power_cap", active=1),
    GpuThrottle(identity=MI300X, reason="hw_thermal", active=0),
    GpuSource(vendor="amd", kind="sysfs", state="ok", driver_version="6.2.4", gpus=1),
    GpuSource(vendor="nvidia", kind="nvml", state="ok", gpus=1),
)
HEALTH: Final = (
    verdict(MI300X, "thermal", "ok", 0),
    verdict(MI300X, "memory", "warning", 1),
    verdict(H200, "memory", "ok", 0),
    verdict(ARC, "device", "critical", 2),
    DeviceHealth(component="rdma", subject="mlx5_0/1", state="warning", value=1, reason="it flaps"),
)


PODS: Final = (
    Container(runtime="cri-containerd", id="71", name="main", pod_name="train-0", pod_namespace="ml", pod_uid="1-2"),
    Container(runtime="docker", id="72", name="web", labels={"team": "x"}),
    Container(runtime="docker", id="73", name="bench", state="exited", exit_code=1, finished_seconds=1.6e9),
    ContainerUse(id="71", cgroup="/kubepods/71", oom_kills=1),
    DeviceClaim(device=MI300X.uuid, kind="gpu", evidence="pod_resources", container_id="71"),
    DeviceClaim(device="mlx5_0", kind="rdma", evidence="device", container_id="71"),
    DeviceClaim(device=H200.uuid, kind="gpu", evidence="process", container_id="73"),
    DeviceClaim(
        device=ARC.uuid, kind="gpu", evidence="pod_resources", container="init", pod_name="a", pod_namespace="b"
    ),
)


def whole() -> Node:
    """A node with all of it."""
    node = Node(gpus=GPUS, rdma=RDMA, dri=DRI, pci=PCI, amd_static=(STATIC,), health=HEALTH, pods=PODS)
    node.versions = {"nvidia": "570.124.06", "amd": "6.2.4"}
    return node
