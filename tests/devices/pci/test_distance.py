"""How near devices are, as nvidia-smi topo says it."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.pci.distance import Distances
from nodescope.devices.pci.sampler import PciSampler
from nodescope.records.pci import PciDevice, RdmaDistance
from tests.devices.pci.pci_machine import GPU, NIC, PciMachine, node

NVIDIA, AMD = "0000:18:00.0", "0000:1c:00.0"
DUAL = ("0000:19:00.0", "0000:19:00.1")


def sampled(machine: PciMachine) -> dict[str, PciDevice]:
    return {one.address: one for one in PciSampler(machine.host).sample() if isinstance(one, PciDevice)}


def test_each_distance(tmp_path: Path) -> None:
    """One switch is PIX, two are PXB, one host bridge PHB, one NUMA node NODE, another SYS."""
    found = {(one.address, one.other): one.distance for one in Distances(sampled(node(tmp_path)).values()).neighbours()}
    assert found == {
        (NVIDIA, AMD): "PXB",
        **{(NVIDIA, port): "PIX" for port in DUAL},
        **{(AMD, port): "PXB" for port in DUAL},
        **{(gpu, "0000:20:00.0"): "PHB" for gpu in (NVIDIA, AMD)},
        **{(gpu, "0000:37:00.1"): "NODE" for gpu in (NVIDIA, AMD)},
        **{(gpu, "0000:97:00.1"): "SYS" for gpu in (NVIDIA, AMD)},
    }


def test_nearest(tmp_path: Path) -> None:
    """Both ports of the card behind the GPU's switch are nearest; network cards without RDMA do not count."""
    devices = sampled(node(tmp_path))
    for gpu in (NVIDIA, AMD):
        assert tuple(device.address for device in Distances(devices.values()).nearest(devices[gpu])) == DUAL
    alone = [device for device in devices.values() if device.kind != "rdma"]
    assert Distances(alone).nearest(devices[NVIDIA]) == ()


def test_of_two_switches_the_nearer(tmp_path: Path) -> None:
    """Of two cards that are both PXB the one is nearest that shares more of the way."""
    machine = PciMachine(tmp_path)
    way, above = "pci0000:00", []
    for bus in range(5):
        way += f"/0000:{bus:02x}:01.0"
        machine.add(way, "060400")
        above.append(way)
    machine.add(f"{way}/0000:30:00.0", GPU)
    for number, depth in enumerate((1, 3)):
        inner = f"{above[depth]}/0000:4{number}:02.0/0000:5{number}:00.0"
        machine.add(inner.rpartition("/")[0], "060400")
        machine.named(machine.add(inner, NIC), "infiniband", f"mlx5_{number}")
    machine.add(f"{above[2]}/0000:60:00.0", "060400")
    devices = sampled(machine)
    assert [device.names for device in Distances(devices.values()).nearest(devices["0000:30:00.0"])] == [("mlx5_1",)]


def test_functions_of_one_device_and_virtual_machines(tmp_path: Path) -> None:
    """Functions of one device are PIX; devices right at the host bridge, as in virtual machines, are PHB."""
    machine = PciMachine(tmp_path)
    machine.add("pci0000:00/0000:00:02.0", "060400")
    for path, kind in (("0000:00:02.0/0000:01:00.0", GPU), ("0000:00:02.0/0000:01:00.1", NIC), ("0000:00:05.0", NIC)):
        machine.add(f"pci0000:00/{path}", kind)
    found = [(one.other, one.distance) for one in Distances(sampled(machine).values()).neighbours()]
    assert found == [("0000:00:05.0", "PHB"), ("0000:01:00.1", "PIX")]


def test_unknown_nodes(tmp_path: Path) -> None:
    """Where no device has a NUMA node other host bridges are NODE; where some have, an unknown one has no distance."""
    machine = PciMachine(tmp_path)
    gpu = machine.add("pci0001:00/0001:00:00.0", GPU, numa_node=-1)
    nic = machine.add("pci0002:00/0002:00:02.0", NIC, numa_node=-1)
    machine.named(nic, "infiniband", "mlx5_0")
    devices = sampled(machine)
    assert [one.distance for one in Distances(devices.values()).neighbours()] == ["NODE"]
    assert [device.address for device in Distances(devices.values()).nearest(devices[gpu])] == [nic]
    machine.set(gpu, "numa_node", 1)
    devices = sampled(machine)
    assert Distances(devices.values()).neighbours() == ()
    assert Distances(devices.values()).nearest(devices[gpu]) == ()


def test_rdma_distances_by_name(tmp_path: Path) -> None:
    """The sampler tells the distance of each RDMA device by its name, and which are nearest."""
    found = [one for one in PciSampler(node(tmp_path).host).sample() if isinstance(one, RdmaDistance)]
    assert [(one.rdma, one.distance, one.nearest) for one in found if one.gpu == NVIDIA] == [
        ("mlx5_0", "PIX", 1),
        ("mlx5_1", "PIX", 1),
        ("mlx5_2", "NODE", None),
        ("mlx5_3", "SYS", None),
    ]


def test_virtual_functions_have_no_distances(tmp_path: Path) -> None:
    """Virtual functions are told as such, and are left out of the distances."""
    machine = node(tmp_path)
    path = "pci0000:15/0000:15:01.0/0000:16:00.0/0000:17:01.0/0000:19:00.2"
    address = machine.add(path, NIC, "15b3")
    machine.named(address, "infiniband", "mlx5_9")
    (machine.folder / "sys/devices" / path / "physfn").symlink_to("../0000:19:00.0")
    devices = sampled(machine)
    assert devices[address].physical_function == "0000:19:00.0"
    assert address not in {one.other for one in Distances(devices.values()).neighbours()}
    assert address not in {device.address for device in Distances(devices.values()).nearest(devices[NVIDIA])}
