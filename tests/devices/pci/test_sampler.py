"""What is read of the PCI tree, and what a device that is broken costs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nodescope.devices.pci.sampler import TREE_SECONDS, PciSampler
from nodescope.devices.pci.tree import MAX_DEVICES, listed, places_of, tree_of
from nodescope.host import Absent, Host
from nodescope.records.pci import PciDevice
from tests.collectors.host.machine import ODD_WORDS
from tests.devices.pci.pci_machine import DISPLAY, GPU, NIC, NVME, RAID, SCREEN, PciMachine, node

COUNTS = "RxErr 1\nBadTLP 2\nTOTAL_ERR_COR 3\n"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def devices(sampler: PciSampler) -> dict[str, PciDevice]:
    return {one.address: one for one in sampler.sample() if isinstance(one, PciDevice)}


def one_gpu(folder: Path, **values: Any) -> PciMachine:
    machine = PciMachine(folder)
    machine.add("pci0000:00/0000:00:01.0", "060400", "8086")
    machine.add("pci0000:00/0000:00:01.0/0000:01:00.0", GPU, **values)
    return machine


def test_a_whole_device(tmp_path: Path) -> None:
    """All that sysfs says of a device is in its record."""
    machine = one_gpu(
        tmp_path,
        subsystem_vendor="0x10de",
        subsystem_device="0x16c1",
        revision="0xa1",
        current_link_speed="2.5 GT/s PCIe",
        current_link_width=8,
        aer_dev_correctable=COUNTS,
        aer_dev_nonfatal="TOTAL_ERR_NONFATAL 0",
        aer_dev_fatal="TOTAL_ERR_FATAL 18446744073709551615",
    )
    folder = tmp_path / "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0"
    (folder / "driver").symlink_to("../../../../bus/pci/drivers/nvidia")
    machine.named("0000:01:00.0", "drm", "renderD128")
    machine.named("0000:01:00.0", "drm", "card0-DP-1")
    assert devices(PciSampler(machine.host))["0000:01:00.0"] == PciDevice(
        address="0000:01:00.0",
        kind="gpu",
        vendor_id="10de",
        device_id="2330",
        subsystem_vendor_id="10de",
        subsystem_device_id="16c1",
        class_code="030200",
        revision="a1",
        driver="nvidia",
        parent="0000:00:01.0",
        root="pci0000:00",
        numa_node=0,
        local_cpus="0-31,64-95",
        link_speed_gigatransfers_per_second=2.5,
        link_width_lanes=8,
        max_link_speed_gigatransfers_per_second=32.0,
        max_link_width_lanes=16,
        aer_correctable_errors=3,
        aer_nonfatal_errors=0,
        aer_fatal_errors=2**64 - 1,
        names=("renderD128",),
    )


def test_kinds(tmp_path: Path) -> None:
    """GPUs, cards and the bridges above them are told apart; a service processor's display is no GPU."""
    machine = node(tmp_path)
    machine.add("pci0000:00/0000:00:1c.0", "060400", "8086")
    machine.add("pci0000:00/0000:00:1c.0/0000:04:00.0", SCREEN, "1a03")
    machine.add("pci0000:00/0000:00:1f.0", "060100", "8086")
    machine.add("pci0000:00/0000:00:03.0", DISPLAY, "8086")
    found = {address: device.kind for address, device in devices(PciSampler(machine.host)).items()}
    assert found == {
        "0000:00:03.0": "gpu",
        "0000:15:01.0": "root_port",
        "0000:15:05.0": "root_port",
        "0000:16:00.0": "switch",
        "0000:17:00.0": "switch",
        "0000:17:01.0": "switch",
        "0000:17:02.0": "switch",
        "0000:18:00.0": "gpu",
        "0000:19:00.0": "rdma",
        "0000:19:00.1": "rdma",
        "0000:1a:00.0": "switch",
        "0000:1b:00.0": "switch",
        "0000:1c:00.0": "gpu",
        "0000:20:00.0": "nic",
        "0000:37:00.1": "rdma",
        "0000:37:01.0": "root_port",
        "0000:97:00.1": "rdma",
        "0000:97:01.0": "root_port",
    }


def test_a_domain_that_a_device_makes(tmp_path: Path) -> None:
    """Drives behind VMD are in a domain of five digits, and below the device that makes it."""
    machine = PciMachine(tmp_path)
    machine.add("pci0000:e0/0000:e0:05.5", RAID, "8086", max_link_speed=None)
    way = "pci0000:e0/0000:e0:05.5/pci10000:e0/10000:e0:06.0"
    machine.add(way, "060400", "8086")
    machine.named(machine.add(f"{way}/10000:e1:00.0", NVME), "nvme", "nvme3")
    found = devices(PciSampler(machine.host))
    assert {address: (device.kind, device.parent, device.root) for address, device in found.items()} == {
        "0000:e0:05.5": ("other", None, "pci0000:e0"),
        "10000:e0:06.0": ("root_port", "0000:e0:05.5", "pci0000:e0"),
        "10000:e1:00.0": ("nvme", "10000:e0:06.0", "pci0000:e0"),
    }
    assert found["10000:e1:00.0"].names == ("nvme3",)


def test_names_of_devices_between(tmp_path: Path) -> None:
    """A network interface of virtio, and one whose class has no links, belong to their PCI device; others to none."""
    machine = PciMachine(tmp_path)
    machine.named(machine.add("pci0000:00/0000:00:03.0", NIC, "1af4"), "net", "eth0", between="virtio0")
    entry = tmp_path / "sys/class/net/eth1"
    entry.mkdir()
    (entry / "device").symlink_to("../../../devices/pci0000:00/0000:00:03.0")
    (tmp_path / "sys/class/net/lo").symlink_to("../../devices/virtual/net/lo")
    (device,) = devices(PciSampler(machine.host)).values()
    assert (device.names, device.all_names) == (("eth0", "eth1"), "eth0 eth1")


@pytest.mark.parametrize(
    ("attribute", "value", "field"),
    [
        ("current_link_speed", "Unknown", "link_speed_gigatransfers_per_second"),
        ("max_link_speed", "Unknown speed", "max_link_speed_gigatransfers_per_second"),
        ("current_link_width", 0, "link_width_lanes"),
        ("current_link_width", 63, "link_width_lanes"),
        ("max_link_width", 255, "max_link_width_lanes"),
        ("numa_node", -1, "numa_node"),
        ("aer_dev_fatal", None, "aer_fatal_errors"),
        ("vendor", "0x10002", "vendor_id"),
        ("local_cpulist", "", "local_cpus"),
    ],
)
def test_unknown_is_none(tmp_path: Path, attribute: str, value: Any, field: str) -> None:
    """What the kernel writes for unknown is None and nothing else of the device is lost."""
    found = devices(PciSampler(one_gpu(tmp_path, **{attribute: value}).host))["0000:01:00.0"]
    assert getattr(found, field) is None
    assert found.kind == "gpu"


def test_malformed_errors_are_counted(tmp_path: Path) -> None:
    """A list of errors without its total is left out and counted."""
    sampler = PciSampler(one_gpu(tmp_path, aer_dev_fatal=b"DLP \xff\xfe\n").host)
    assert devices(sampler)["0000:01:00.0"].aer_fatal_errors is None
    assert sampler.left_out == 1


@pytest.mark.parametrize("word", ODD_WORDS)
def test_odd_words(tmp_path: Path, word: bytes) -> None:
    """Whatever all files of a device hold at once, the device beside it is read and nothing raises."""
    machine = one_gpu(tmp_path)
    machine.add("pci0000:00/0000:00:02.0", NIC)
    sampler = PciSampler(machine.host)
    devices(sampler)
    folder = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    for file in folder.rglob("*"):
        if file.is_file():
            file.write_bytes(word)
    for name in ("aer_dev_correctable", "subsystem_vendor", "revision"):
        (folder / name).write_bytes(word)
    found = devices(PciSampler(machine.host)) | devices(sampler)
    assert found["0000:00:02.0"].kind == "nic"
    assert found["0000:01:00.0"].link_width_lanes is None


def test_a_device_that_sleeps(tmp_path: Path) -> None:
    """The link of a device that sleeps is not asked for: it is unknown, its limits are those from before."""
    clock = Clock()
    machine = one_gpu(tmp_path)
    sampler = PciSampler(machine.host, clock=clock)
    devices(sampler)
    machine.set("0000:01:00.0", "power/runtime_status", "suspended")
    for name in ("current_link_width", "max_link_width"):
        machine.set("0000:01:00.0", name, 63)
    clock.now += TREE_SECONDS
    found = devices(sampler)["0000:01:00.0"]
    assert (found.link_width_lanes, found.max_link_width_lanes) == (None, 16)


def test_links_each_time_identity_each_minute(tmp_path: Path) -> None:
    """A link is read each time, what a device is each minute."""
    clock = Clock()
    machine = one_gpu(tmp_path)
    sampler = PciSampler(machine.host, clock=clock)
    devices(sampler)
    machine.set("0000:01:00.0", "current_link_width", 4)
    machine.set("0000:01:00.0", "numa_node", 1)
    clock.now += TREE_SECONDS - 1
    found = devices(sampler)["0000:01:00.0"]
    assert (found.link_width_lanes, found.numa_node) == (4, 0)
    clock.now += 1
    assert devices(sampler)["0000:01:00.0"].numa_node == 1


def test_devices_come_and_go(tmp_path: Path) -> None:
    """A device that comes or goes is seen at once."""
    machine = one_gpu(tmp_path)
    sampler = PciSampler(machine.host)
    assert len(devices(sampler)) == 2
    machine.add("pci0000:00/0000:00:04.0", NIC)
    assert len(devices(sampler)) == 3
    (tmp_path / "sys/bus/pci/devices/0000:01:00.0").unlink()
    assert list(devices(sampler)) == ["0000:00:04.0"]


@pytest.mark.parametrize("attribute", ["class", "numa_node", "current_link_width", "power/runtime_status"])
def test_a_file_that_hangs_costs_its_device(tmp_path: Path, attribute: str) -> None:
    """A device whose file hangs is counted, the others are read, and it is back when the file answers."""
    machine = node(tmp_path)
    clock = Clock()
    sampler = PciSampler(machine.host, patience_s=0.2, clock=clock)
    if attribute == "current_link_width":
        devices(sampler)
    file = tmp_path / "sys/bus/pci/devices/0000:18:00.0" / attribute
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    found = devices(sampler)
    assert found["0000:1c:00.0"].link_width_lanes == 16
    assert sampler.left_out == 1
    if attribute == "current_link_width":
        assert found["0000:18:00.0"].link_width_lanes is None
    else:
        assert "0000:18:00.0" not in found
    aside = file.with_name("fifo")
    file.rename(aside)
    file.write_bytes(content)
    os.close(os.open(aside, os.O_WRONLY | os.O_NONBLOCK))
    clock.now += TREE_SECONDS
    for _ in range(100):
        clock.now += TREE_SECONDS
        if devices(sampler).get("0000:18:00.0", found["0000:1c:00.0"]).link_width_lanes and not sampler.left_out:
            break
    assert devices(sampler)["0000:18:00.0"].link_width_lanes == 16


def test_no_pci(tmp_path: Path) -> None:
    """A machine without PCI has none, and that is no failure."""
    with pytest.raises(Absent):
        PciSampler(Host(sysfs=str(tmp_path))).sample()


def test_this_machine() -> None:
    """What this machine has is read without an error."""
    sampler = PciSampler(Host())
    try:
        found = devices(sampler)
    except Absent:
        pytest.skip("this machine has no PCI")
    assert all(device.root for device in found.values())
    assert sampler.left_out == 0


def test_virtual_functions_do_not_take_the_room_of_others(tmp_path: Path) -> None:
    """Of more devices than are kept virtual functions are left out, wherever they stand among the others."""
    machine = PciMachine(tmp_path)
    card = machine.add("pci0000:10/0000:10:00.0", NIC)
    for number in range(8, 8 + MAX_DEVICES):
        address = f"0000:{0x10 + (number >> 8):02x}:{number >> 3 & 0x1F:02x}.{number & 7}"
        (tmp_path / f"sys/devices/pci0000:10/{address}").mkdir()
        (tmp_path / f"sys/devices/pci0000:10/{address}/physfn").symlink_to(f"../{card}")
        (tmp_path / f"sys/bus/pci/devices/{address}").symlink_to(f"../../../devices/pci0000:10/{address}")
    gpu = machine.add("pci0000:f0/0000:f0:00.0", GPU)
    places = places_of(machine.host, listed(machine.host))
    tree = tree_of(places, dict.fromkeys(places, "nic") | {gpu: "gpu"}, {}, 0)
    assert {card, gpu} <= tree.places.keys()
    assert (len(tree.places), tree.left_out) == (MAX_DEVICES, 2)
