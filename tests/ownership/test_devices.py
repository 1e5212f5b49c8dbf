"""Devices by what containers call them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.ownership.devices import Devices
from tests.ownership.gpus import AMD, AMD_MACHINE, MACHINE, MIG, XCP, A, B, C


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("0", [A]),
        ("1", [B]),
        ("gpu1", [B]),
        ("2", list(MIG)),
        ("2:1", [MIG[1]]),
        ("mig2:2", [MIG[2]]),
        ("2:9", []),
        ("9", []),
        (A, [A]),
        (A.upper(), [A]),
        (f"{A}::3", [A]),
        ("GPU-5e41a", [A]),
        ("GPU-5e41", []),
        ("GPU", []),
        (C, list(MIG)),
        (MIG[1], [MIG[1]]),
        (f"MIG-{C}/1/1", [MIG[1]]),
        (f"MIG-{C}/5/0", [MIG[2]]),
        ("nvidia0", [A]),
        ("nvidia2/gi1", [MIG[0], MIG[1]]),
        ("nvidia1/vgpu4", [B]),
        ("0000:18:00.0", [A]),
        ("", []),
        ("nonsense", []),
        ("99999999", []),
    ],
)
def test_names_of_nvidia(word: str, keys: list[str]) -> None:
    """Indices, UUIDs whole, cut or with a share behind, MIG devices in each of their forms, addresses."""
    assert [device.key for device in MACHINE.named(word)] == keys


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        (AMD[0], [AMD[0]]),
        ("GPU-DEADBEEF00000001", [AMD[0]]),
        ("0000:c1:00.0", [AMD[0]]),
        ("0000:C2:00.0", [XCP[0]]),
        ("amdgpu_xcp_3", [XCP[1]]),
        ("amdgpu_xcp_9", []),
        ("card10", [XCP[1]]),
        ("1", list(XCP)),
    ],
)
def test_names_of_amd(word: str, keys: list[str]) -> None:
    """The plugin's addresses are of the whole GPU or its first partition, amdgpu_xcp_N are of the others."""
    assert [device.key for device in AMD_MACHINE.named(word, "amd")] == keys


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/dev/nvidia0", [A]),
        ("/dev/nvidiactl", []),
        ("/dev/nvidia2", [C]),
        ("/dev/nvidia-caps/nvidia-cap12", [MIG[0], MIG[1]]),
        ("/dev/nvidia-caps/nvidia-cap13", [MIG[0]]),
        ("/dev/nvidia-caps/nvidia-cap31", [MIG[2]]),
        ("/dev/nvidia-caps/nvidia-cap99", []),
        ("/dev/nvidia-caps/nvidia-cap1", []),
        ("/dev/dri/renderD129", [B]),
        ("/dev/dri/by-path/pci-0000:19:00.0-render", [B]),
        ("/dev/dri/by-path/pci-0000:19:00.0-card", [B]),
        ("/dev/dri/by-path/platform-3f000000.pcie@1-pci-0000:19:00.0-card", [B]),
        ("/dev/dri/by-path/pci-0000:99:00.0-card", []),
        ("/dev/infiniband/uverbs1", ["mlx5_1"]),
        ("/dev/infiniband/rdma_cm", []),
        ("/dev/infiniband", ["mlx5_0", "mlx5_1"]),
        ("/dev/dri", []),
        ("/dev/kfd", []),
    ],
)
def test_paths(path: str, keys: list[str]) -> None:
    """Nodes of GPUs, MIG capabilities and uverbs; nodes that all share open nothing."""
    assert [device.key for device in MACHINE.at(path)] == keys


def test_paths_of_partitions() -> None:
    """The node of the first partition, which is the GPU's own, is that partition's."""
    assert [device.key for device in AMD_MACHINE.at("/dev/dri/renderD137")] == [XCP[0]]
    assert [device.key for device in AMD_MACHINE.at("/dev/dri/by-path/pci-0000:c2:00.0-render")] == [XCP[0]]
    assert [device.key for device in AMD_MACHINE.at("/dev/dri/by-path/platform-amdgpu_xcp.3-render")] == [XCP[1]]
    assert [device.key for device in AMD_MACHINE.at("/dev/dri/renderD136")] == [AMD[0]]
    assert [device.key for device in AMD_MACHINE.at("/dev/dri")] == [AMD[0], *XCP]


def test_an_index_of_two_vendors_is_no_name() -> None:
    """Where two vendors' GPUs have the index and no vendor is told, none is meant."""
    from tests.ownership.gpus import amd, nvidia

    both = Devices((nvidia(A, 0), amd(AMD[0], 0)))
    assert both.named("0") == ()
    assert [device.key for device in both.named("0", "amd")] == [AMD[0]]
    assert both.vendors == {"nvidia", "amd"}


@given(st.text(max_size=80) | st.from_regex(r"(gpu|mig|nvidia|MIG-GPU-)?[0-9:/gi-]{0,20}"))
def test_any_name_is_known_or_not(word: str) -> None:
    """No text is too odd to be looked up."""
    for machine in (MACHINE, AMD_MACHINE):
        assert all(machine.find(device.key) for device in machine.named(word))
        assert machine.at(f"/dev/{word}") is not None
        assert machine.rdma_named(word) is not None
