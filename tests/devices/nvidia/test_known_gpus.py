"""The inventory across children, and the GPUs that are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.nvidia.frame import Inventory, Unopened
from nodescope.devices.nvidia.known_gpus import KnownGpus
from nodescope.host import Host
from nodescope.records.gpu import GpuIdentity, InstanceIdentity


def gpu(number: int, address: str | None = "") -> GpuIdentity:
    place = f"0000:{number:02x}:00.0" if address == "" else address
    return GpuIdentity(vendor="nvidia", uuid=f"GPU-{number}", index=number, pci_address=place)


def inventory(*gpus: GpuIdentity, generation: int = 1, instances: tuple[InstanceIdentity, ...] = ()) -> Inventory:
    return Inventory(generation=generation, gpus=gpus, instances=instances)


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known = KnownGpus(Host(sysfs=str(folder)))

    def plug(self, number: int, driver: str = "") -> None:
        folder = self.folder / f"bus/pci/devices/0000:{number:02x}:00.0"
        folder.mkdir(parents=True, exist_ok=True)
        if driver:
            (folder / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")

    def uuids(self) -> list[str]:
        return [one.uuid for one in self.known.gpus]

    def lost(self) -> list[str]:
        return [report.uuid for report in self.known.reports_of_lost()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("driver", ["", "nvidia"])
def test_a_gpu_whose_device_is_there_is_lost(machine: Machine, driver: str) -> None:
    """It keeps its place in the order until it is listed again."""
    machine.plug(1, driver)
    machine.known.take(inventory(gpu(1), gpu(2)), 1)
    machine.known.take(inventory(gpu(2), generation=2), 1)
    assert (machine.uuids(), machine.lost(), machine.known.generation) == (["GPU-1", "GPU-2"], ["GPU-1"], 2)
    assert not machine.known.is_listed("GPU-1")
    machine.known.take(inventory(gpu(2)), 2)
    assert (machine.lost(), machine.known.generation) == (["GPU-1"], 2)
    machine.known.take(inventory(gpu(1), gpu(2)), 3)
    assert (machine.uuids(), machine.lost()) == (["GPU-1", "GPU-2"], [])


def test_a_gpu_whose_device_is_gone_vanishes(machine: Machine) -> None:
    """Taken out at once or later, it is no longer told of."""
    machine.known.take(inventory(gpu(1), gpu(2)), 1)
    machine.known.take(inventory(gpu(2), generation=2), 1)
    assert machine.uuids() == ["GPU-2"]
    machine.plug(2)
    machine.known.take(inventory(generation=3), 1)
    assert machine.lost() == ["GPU-2"]
    generation = machine.known.generation
    machine.known.look()
    assert machine.known.generation == generation
    (machine.folder / "bus/pci/devices/0000:02:00.0").rmdir()
    machine.known.look()
    assert (machine.uuids(), machine.known.generation) == ([], generation + 1)


def test_a_gpu_given_to_another_driver_vanishes(machine: Machine) -> None:
    """One that a virtual machine has (vfio-pci) is not lost."""
    machine.plug(1, "vfio-pci")
    machine.known.take(inventory(gpu(1)), 1)
    machine.known.take(inventory(generation=2), 1)
    assert machine.uuids() == []


def test_another_gpu_in_its_place(machine: Machine) -> None:
    """Where another GPU has the address of one that is gone, that one was replaced."""
    machine.plug(1)
    machine.known.take(inventory(gpu(1)), 1)
    machine.known.take(inventory(gpu(2, "0000:01:00.0")), 2)
    assert machine.uuids() == ["GPU-2"]


@pytest.mark.parametrize("address", [None, "../../..", "0000:01:00.0/../x"])
def test_what_has_no_address_vanishes(machine: Machine, address: str | None) -> None:
    """Without a PCI address nobody knows; what is none leads nowhere."""
    machine.plug(1)
    machine.known.take(inventory(gpu(1, address)), 1)
    machine.known.take(inventory(), 2)
    assert machine.uuids() == []


def test_partitions_are_part_of_the_inventory(machine: Machine) -> None:
    """A change of partitions is a new generation; those of a GPU that is not listed are left out."""
    one = InstanceIdentity(gpu_uuid="GPU-1", uuid="MIG-1")
    machine.known.take(inventory(gpu(1)), 1)
    machine.known.take(
        inventory(gpu(1), instances=(one, InstanceIdentity(gpu_uuid="GPU-9", uuid="MIG-9")), generation=2), 1
    )
    assert (machine.known.instances, machine.known.generation) == ((one,), 2)
    machine.known.take(inventory(gpu(1), generation=3), 1)
    assert (machine.known.instances, machine.known.generation) == ((), 3)
    machine.known.take(inventory(gpu(1), generation=4), 1)
    assert machine.known.generation == 4


def test_a_gpu_listed_twice_is_one(machine: Machine) -> None:
    """One UUID is one GPU."""
    machine.known.take(inventory(gpu(1), gpu(1)), 1)
    assert machine.uuids() == ["GPU-1"]


def test_what_a_gpu_is_stays_known(machine: Machine) -> None:
    """Where a child can learn no more than the UUID, what was known before counts, but for the index."""
    machine.known.take(inventory(gpu(1)), 1)
    machine.known.take(inventory(GpuIdentity(vendor="nvidia", uuid="GPU-1", index=5)), 2)
    (one,) = machine.known.gpus
    assert (one.pci_address, one.index) == ("0000:01:00.0", 5)


def unopened(*indices: int) -> tuple[Unopened, ...]:
    return tuple(Unopened(index=index, state="failed", reason="why") for index in indices)


def test_gpus_that_were_never_opened(tmp_path: Path) -> None:
    """They are who the kernel module says is there besides those that are listed, each with a report that says why."""
    known = KnownGpus(Host(procfs=str(tmp_path), sysfs=str(tmp_path)))
    for number in (1, 2, 3):
        folder = tmp_path / f"driver/nvidia/gpus/0000:{number:02x}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: H200\nGPU UUID: GPU-{number}\nDevice Minor: {number}\n")
    known.take(Inventory(generation=1, gpus=(gpu(2),), unopened=unopened(0, 5)), 1)
    assert [(one.uuid, one.index, one.pci_address, one.minor) for one in known.gpus] == [
        ("GPU-1", 0, "0000:01:00.0", 1),
        ("GPU-2", 2, "0000:02:00.0", None),
        ("GPU-3", 5, "0000:03:00.0", 3),
    ]
    assert [(one.uuid, one.state, one.reason) for one in known.reports_of_lost()] == [
        ("GPU-1", "failed", "why"),
        ("GPU-3", "failed", "why"),
    ]
    assert not known.is_listed("GPU-1")
    known.take(inventory(gpu(1), gpu(2), gpu(3), generation=2), 1)
    assert (known.reports_of_lost(), [one.uuid for one in known.gpus]) == ([], ["GPU-1", "GPU-2", "GPU-3"])


def test_one_of_whom_nothing_is_known(machine: Machine) -> None:
    """Where the kernel module does not tell who they are they go by their index; one that is lost is told once."""
    machine.plug(1)
    machine.known.take(inventory(gpu(1), gpu(2)), 1)
    machine.known.take(Inventory(generation=2, gpus=(gpu(2),), unopened=unopened(0)), 2)
    assert (machine.uuids(), machine.lost()) == (["GPU-1", "GPU-2"], ["GPU-1"])
    machine.known.take(Inventory(generation=3, gpus=(gpu(2),), unopened=unopened(0, 3)), 2)
    assert machine.uuids() == ["GPU-1", "GPU-2", "unopened-3"]
    assert machine.lost() == ["unopened-3", "GPU-1"]
