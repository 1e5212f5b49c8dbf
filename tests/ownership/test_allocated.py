"""What the kubelet's allocations mean."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from nodescope.ownership.allocated import Meant, meant
from nodescope.ownership.devices import Devices
from nodescope.records.gpu import GpuIdentity
from tests.ownership.gpus import AMD, AMD_MACHINE, MACHINE, MIG, NVIDIA, XCP, A, B, C, part


class PodDevices(NamedTuple):
    """As the client of pod-resources gives it."""

    resource: str
    device_ids: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    pod_name: str = "train-0"
    pod_namespace: str = "ml"
    container: str = "main"


def of(resource: str, *ids: str, machine: Devices = MACHINE, cdi: tuple[str, ...] = ()) -> Meant:
    return meant(PodDevices(resource, ids, cdi), machine)


def keys(found: Meant) -> list[str]:
    return [device.key for device in found.devices]


@pytest.mark.parametrize(
    ("resource", "word"),
    [
        ("rdma/hca_shared_devices_a", "1"),
        ("example.com/fuse", "0"),
        ("smarter-devices/nvidia1", "nvidia1"),
        ("nvidia.com/rdma_shared", "0"),
        ("nvidia.com/GH100_H100_PCIE", "1"),
        ("example.com/disk", "GPU-5e41a"),
        ("example.com/vfio", "0000:18:00.0"),
        ("gpu.intel.com/i915_monitoring", "all"),
    ],
)
def test_names_of_other_resources(resource: str, word: str) -> None:
    """What other plugins call their devices is no GPU's name, and no GPU that is missing."""
    assert of(resource, word) == Meant()


@pytest.mark.parametrize(
    ("resource", "word", "key"),
    [("example.com/h200", A, A), ("nvidia.com/h200", f"{A}::1", A), ("example.com/slice", MIG[1], MIG[1])],
)
def test_a_whole_uuid_is_believed(resource: str, word: str, key: str) -> None:
    """A resource may have any name: a GPU's or a partition's whole UUID can mean nothing else."""
    assert keys(of(resource, word)) == [key]


def test_rdma_devices() -> None:
    """Their names and addresses count of any resource but a GPU's."""
    assert keys(of("rdma/hca", "mlx5_0", "0000:41:00.0")) == ["mlx5_0", "mlx5_1"]
    assert of("nvidia.com/gpu", "mlx5_0") == Meant(unknown=("mlx5_0",))


@pytest.mark.parametrize(
    ("resource", "word", "machine", "expected"),
    [
        ("nvidia.com/gpu", B, MACHINE, [B]),
        ("nvidia.com/gpu", "nvidia1", MACHINE, [B]),
        ("nvidia.com/gpu.shared", f"{B}::0", MACHINE, [B]),
        ("nvidia.com/mig-1g.10gb", MIG[2], MACHINE, [MIG[2]]),
        ("amd.com/gpu", "0000:c1:00.0", AMD_MACHINE, [AMD[0]]),
        ("amd.com/cpx_nps4", "amdgpu_xcp_3", AMD_MACHINE, [XCP[1]]),
        ("amd.com/gpu", "1", MACHINE, []),
        ("gpu.amd.com", "node-a/gpu-8-136", AMD_MACHINE, [AMD[0]]),
        ("gpu.amd.com", "node-a/gpu-10-138", AMD_MACHINE, [XCP[1]]),
        ("gpu.intel.com", "node-a/0000-c1-00-0-0x56a0", AMD_MACHINE, [AMD[0]]),
    ],
)
def test_names_of_gpus(resource: str, word: str, machine: Devices, expected: list[str]) -> None:
    """Of a GPU's resource each form of a name counts, of that vendor's GPUs."""
    found = of(resource, word, machine=machine)
    assert keys(found) == expected
    assert found.unknown == (() if expected else (word,))


def test_shared_devices() -> None:
    """A share of a GPU is told as such, a whole one is not."""
    assert [device.key for device in of("nvidia.com/gpu", A, f"{B}::0").shared] == [B]


def test_cdi_names() -> None:
    """They count where no id is known; those of other plugins are no GPU that is missing."""
    assert keys(of("nvidia.com/gpu", "odd", cdi=("nvidia.com/gpu=1",))) == [B]
    assert keys(of("nvidia.com/gpu", A, cdi=("nvidia.com/gpu=1",))) == [A]
    assert of("nic.example.com", cdi=("example.com/nic=0",)) == Meant()


TWINS = Devices(
    NVIDIA,
    [
        part(C, MIG[0], 0, profile="1g.10gb"),
        part(C, MIG[1], 1, profile="1g.10gb"),
        part(C, MIG[2], 2, profile="3g.40gb"),
    ],
)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("node-a/gpu-1", [B]),
        ("gpu-0", [A]),
        ("node-a/gpu-2", list(MIG)),
        ("node-a/gpu-2-mig-3g40gb-4-4", [MIG[2]]),
        ("node-a/gpu-2-mig-3g.40gb-4-4", [MIG[2]]),
        ("node-a/gpu-2-mig-1g10gb-0-1", []),
        ("node-a/gpu-1-mig-1g10gb-0-1", []),
        ("node-a/gpu-2-mig-3g40gb-4", [MIG[2]]),
        ("node-a/gpu-9", []),
        ("node-a/nonsense", []),
    ],
)
def test_dynamic_resource_allocation(word: str, expected: list[str]) -> None:
    """A device is known by its minor behind the pool's name, a partition by its profile where no other has that."""
    found = of("gpu.nvidia.com", word, machine=TWINS)
    assert keys(found) == expected
    assert found.unknown == (() if expected else (word,))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("gpu-2-mig-1g10gb-me-20-0", [MIG[1]]), ("gpu-2-mig-1g10gb-me-3", [MIG[1]]), ("gpu-2-mig-1g10gb-19-0", [MIG[0]])],
)
def test_dynamic_resource_allocation_of_variants(word: str, expected: list[str]) -> None:
    """A profile with media engines is another than the plain one, whatever numbers stand behind it."""
    machine = Devices(NVIDIA, [part(C, MIG[0], 0, profile="1g.10gb"), part(C, MIG[1], 1, profile="1g.10gb+me")])
    assert keys(of("gpu.nvidia.com", f"node-a/{word}", machine=machine)) == expected


PLACED = Devices(
    NVIDIA,
    [
        part(C, MIG[0], 0, profile="3g.40gb", profile_id=9, placement_start=0, placement_size=4),
        part(C, MIG[1], 1, profile="3g.40gb", profile_id=9, placement_start=4, placement_size=4),
    ],
)


@pytest.mark.parametrize("machine", [PLACED, TWINS])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gpu-2-mig-9-0-4", MIG[0]),
        ("gpu-2-mig-9-4-4", MIG[1]),
        ("gpu-2-mig-9-2-4", None),
        ("gpu-2-mig-14-0-4", None),
        ("gpu-1-mig-9-0-4", None),
        ("gpu-2-mig-3g40gb-9-0", MIG[0]),
        ("gpu-2-mig-3g40gb-9-4", MIG[1]),
        ("gpu-2-mig-3g40gb-0-4", MIG[0]),
        ("gpu-2-mig-3g40gb-4-8", MIG[1]),
        ("gpu-2-mig-3g40gb-0-3", MIG[0]),
        ("gpu-2-mig-3g40gb-4", MIG[1]),
        ("gpu-2-mig-3g40gb-2", None),
        ("gpu-2-mig-3g40gb", None),
    ],
)
def test_dynamic_resource_allocation_by_place(word: str, expected: str | None, machine: Devices) -> None:
    """Of partitions of one profile each is known by where it lies, where the driver tells that, and else none is."""
    alone = [MIG[2]] if word.startswith("gpu-2-mig-3g40gb-") else []
    found = keys(of("gpu.nvidia.com", f"node-a/{word}", machine=machine))
    assert found == ([expected] if expected else []) if machine is PLACED else found == alone


@pytest.mark.parametrize(
    ("word", "expected"),
    [("gpu-2-mig-3g40gb-9-4", []), ("gpu-2-mig-3g40gb-4", []), ("gpu-2-mig-3g40gb-9-0", [MIG[0]])],
)
def test_a_partition_that_is_not_known_yet(word: str, expected: list[str]) -> None:
    """The only known partition of a profile is not another one that was made just now, elsewhere on the GPU."""
    known = part(C, MIG[0], 0, profile="3g.40gb", profile_id=9, placement_start=0, placement_size=4)
    assert keys(of("gpu.nvidia.com", f"node-a/{word}", machine=Devices(NVIDIA, [known]))) == expected


def test_cdi_names_of_dynamic_resource_allocation() -> None:
    """They name a device the same way, and that of a channel is no GPU that is missing."""
    assert keys(of("gpu.nvidia.com", cdi=("k8s.gpu.nvidia.com/device=gpu-1",))) == [B]
    assert of("compute-domain.nvidia.com", "node-a/channel-0") == Meant()


@pytest.mark.parametrize("resource", ["gpu.intel.com/i915", "gpu.intel.com/xe"])
def test_shares_of_intel(resource: str) -> None:
    """Each card is given as often as its plugin is set to, so that it is shared; other vendors' numbers are none."""
    intel = Devices([GpuIdentity(vendor="intel", uuid="0000:03:00.0", index=0, dri_card="card0")])
    found = of(resource, "card0-1", "card1-0", machine=intel)
    assert (keys(found), found.shared, found.unknown) == (["0000:03:00.0"], found.devices, ("card1-0",))
    assert of("amd.com/gpu", "card8-0", machine=AMD_MACHINE) == Meant(unknown=("card8-0",))
