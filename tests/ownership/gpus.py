"""GPUs, partitions, RDMA devices and containers for the tests of ownership."""

from __future__ import annotations

from typing import Any, Final

from nodescope.ownership.devices import Devices, MigPart
from nodescope.records.container import Container, ContainerDevice
from nodescope.records.dri import DriDevice
from nodescope.records.gpu import GpuIdentity, GpuReading, InstanceIdentity, InstanceReading, ProcessReading
from nodescope.records.gpu_snapshot import Gpu, GpuInstance, GpuProcess
from nodescope.records.rdma import RdmaDevice

A: Final = "GPU-5e41aaaa-0000-0000-0000-000000000000"
B: Final = "GPU-5e41bbbb-0000-0000-0000-000000000001"
C: Final = "GPU-77cccccc-0000-0000-0000-000000000002"
MIG: Final = tuple(f"MIG-0000000{n}-aaaa-bbbb-cccc-00000000000{n}" for n in range(3))
AMD: Final = ("deadbeef00000001", "deadbeef00000002")
XCP: Final = ("deadbeef00000002-0", "deadbeef00000002-1")


def nvidia(uuid: str, index: int) -> GpuIdentity:
    return GpuIdentity(
        vendor="nvidia", uuid=uuid, index=index, minor=index, device=f"nvidia{index}",
        pci_address=f"0000:{index + 0x18:02x}:00.0", dri_card=f"card{index}", dri_render=f"renderD{128 + index}",
    )  # fmt: skip


def amd(uuid: str, index: int) -> GpuIdentity:
    return GpuIdentity(
        vendor="amd", uuid=uuid, index=index, pci_address=f"0000:{index + 0xC1:02x}:00.0", dri_card=f"card{8 + index}",
        dri_render=f"renderD{136 + index}",
    )  # fmt: skip


def part(gpu: str, uuid: str, index: int, **more: Any) -> InstanceIdentity:
    return InstanceIdentity(gpu_uuid=gpu, uuid=uuid, index=index, **more)


NVIDIA: Final = (nvidia(A, 0), nvidia(B, 1), nvidia(C, 2))
PARTS: Final = (
    part(C, MIG[0], 0, gpu_instance_id=1, compute_instance_id=0, multiprocessors=32),
    part(C, MIG[1], 1, gpu_instance_id=1, compute_instance_id=1, multiprocessors=32),
    part(C, MIG[2], 2, gpu_instance_id=5, compute_instance_id=0, multiprocessors=16),
)
PARTITIONS: Final = (
    part(AMD[1], XCP[0], 0, dri_render="renderD137", dri_card="card9"),
    part(AMD[1], XCP[1], 1, dri_render="renderD138", dri_card="card10"),
)
HCAS: Final = tuple(
    RdmaDevice(name=f"mlx5_{n}", index=n, uverbs=f"uverbs{n}", pci_address=f"0000:{n + 0x40:02x}:00.0")
    for n in range(2)
)
MINORS: Final = {12: MigPart(2, 1), 13: MigPart(2, 1, 0), 30: MigPart(2, 5), 31: MigPart(2, 5, 0), 99: MigPart(7, 1)}
MACHINE: Final = Devices(NVIDIA, PARTS, HCAS, (), MINORS)
AMD_MACHINE: Final = Devices(
    (amd(AMD[0], 0), amd(AMD[1], 1)),
    PARTITIONS,
    dri=(DriDevice(platform="amdgpu_xcp.3", render="/dev/dri/renderD138"),),
)


def given(evidence: str, request: str | None = None, **more: Any) -> ContainerDevice:
    return ContainerDevice(**{"kind": "gpu", "evidence": evidence, "request": request, "vendor": "nvidia", **more})


def node(path: str, kind: str = "gpu", evidence: str = "device") -> ContainerDevice:
    return ContainerDevice(kind=kind, evidence=evidence, path=path)


def container(*devices: ContainerDevice, name: str = "train", **more: Any) -> Container:
    return Container(**{"runtime": "docker", "id": name * 8, "name": name, "devices": devices, **more})


def gpu(identity: GpuIdentity, age: float = 0.0, **reading: Any) -> Gpu:
    return Gpu(identity=identity, state="ok", reason="", up=1, age_seconds=age, reading=GpuReading(**reading))


def instance(whole: Gpu, what: InstanceIdentity, first: int = 1, **reading: Any) -> GpuInstance:
    return GpuInstance(
        identity=whole.identity, instance=what, gpu=whole, first=first,
        reading=InstanceReading(uuid=what.uuid, **reading),
    )  # fmt: skip


def process(identity: GpuIdentity, pid: int, **reading: Any) -> GpuProcess:
    return GpuProcess(identity=identity, reading=ProcessReading(pid=pid, type="compute", **reading))
