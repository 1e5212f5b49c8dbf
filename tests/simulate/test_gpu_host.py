"""The kernel's files of a simulated machine with eight H200."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope import collectors, configuration
from nodescope.devices.dri import dri_nodes
from nodescope.host import Host
from nodescope.simulate import START_SECONDS, Simulation
from nodescope.simulate.gpu_board import NODE_CPUS, PCI_ADDRESSES
from nodescope.simulate.machine import cpu_machine, h200_machine

SETTINGS = configuration.load({}, {})


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The tree of a machine; speed 0."""
    simulation = Simulation("h200x8", 1, 0.0)
    yield Path(simulation.prepare().rootfs)
    simulation.stop()


@pytest.fixture(scope="module")
def host(root: Path) -> Host:
    return Host(f"{root}/proc", f"{root}/sys", str(root), f"{root}/run/udev/data")


def rows(host: Host, name: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What one of nodescope's own collectors shows, by metric."""
    collector = collectors.build(name, host, SETTINGS)
    found = {
        family.metric.name: [
            (dict(zip(family.metric.label_names, labels, strict=True)), float(value)) for labels, value in family.rows
        ]
        for family in collector.collect()
    }
    assert collector.left_out == 0
    return found


def test_pci_devices(host: Host) -> None:
    """The collector pcidevice understands eight 3D controllers, their links and their NUMA nodes."""
    found = rows(host, "pcidevice")
    infos = [labels for labels, _ in found["node_pcidevice_info"]]
    assert [(one["vendor_id"], one["device_id"], one["class_id"]) for one in infos] == [
        ("0x10de", "0x2335", "0x030200")
    ] * 8
    assert {value for _, value in found["node_pcidevice_max_link_transfers_per_second"]} == {32e9}
    assert {value for _, value in found["node_pcidevice_current_link_width"]} == {16.0}
    assert [value for _, value in found["node_pcidevice_numa_node"]] == [0.0] * 4 + [1.0] * 4


def test_drm_cards(host: Host) -> None:
    """The collector drm finds eight cards of NVIDIA's, and each PCI device has its card and render node."""
    cards = [labels for labels, _ in rows(host, "drm")["node_drm_card_info"]]
    assert {labels["card"] for labels in cards} == {f"card{number}" for number in range(1, 9)}
    assert {labels["vendor"] for labels in cards} == {"nvidia"}
    nodes = [dri_nodes(host, address) for address in PCI_ADDRESSES]
    assert nodes == [(f"card{number + 1}", f"renderD{number + 128}") for number in range(8)]


def test_links_lead_somewhere(root: Path) -> None:
    """Every symbolic link ends at a file or directory of the tree; cards lead back to their PCI device."""
    links = [path for path in root.rglob("*") if path.is_symlink()]
    assert [path for path in links if not path.exists()] == []
    assert all(root in path.resolve().parents for path in links)
    for number, address in enumerate(PCI_ADDRESSES, start=1):
        assert (root / f"sys/class/drm/card{number}/device").resolve().name == address
        assert os.path.samefile(root / f"sys/bus/pci/drivers/nvidia/{address}", root / f"sys/bus/pci/devices/{address}")


def test_numa_nodes(root: Path) -> None:
    """The CPUs that a GPU is near to are those of its NUMA node."""
    for address in PCI_ADDRESSES:
        device = root / f"sys/bus/pci/devices/{address}"
        node = int((device / "numa_node").read_text())
        assert (device / "local_cpulist").read_text().strip() == NODE_CPUS[node]
        mask = int((device / "local_cpus").read_text(), 16)
        assert mask == (0x0F0F, 0xF0F0)[node]
        packages = [
            int((root / f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id").read_text())
            for cpu in range(16)
            if mask >> cpu & 1
        ]
        assert packages == [node] * 8


def test_driver_files(root: Path) -> None:
    """The driver's own files name the GPUs as its library does."""
    folder = root / "proc/driver/nvidia"
    assert re.match(r"NVRM version: .*  570\.86\.15  ", (folder / "version").read_text())
    machine = h200_machine(1)
    assert machine.gpus is not None
    for gpu in machine.gpus.inventory(START_SECONDS)[0]:
        text = (folder / f"gpus/{gpu['pci_address']}/information").read_text()
        said = dict(re.split(r":\s+", line, maxsplit=1) for line in text.splitlines())
        assert said["Model"] == gpu["model"]
        assert said["GPU UUID"] == gpu["uuid"]
        assert said["Video BIOS"] == gpu["vbios_version"]
        assert said["Device Minor"] == str(gpu["minor"])
        assert said["GPU Excluded"] == "No"
        assert (root / f"dev/{gpu['device']}").is_file()


def test_processes(root: Path, host: Host) -> None:
    """Every process that is on a GPU, whole or in parts, is there on the host, with its name and its user."""
    assert rows(host, "processes")["node_processes_pids"][0][1] >= 88.0
    users = dict(line.split(":")[2::-2] for line in (root / "etc/passwd").read_text().splitlines())
    names = set()
    for partitioned in (False, True):
        machine = h200_machine(1, "", partitioned)
        assert machine.gpus is not None
        for gpu in machine.gpus.gpus:
            for seconds in range(86_400, 108_000, 60):
                names |= {str(process["pid"]) for process in gpu.processes(float(seconds))}
    assert len(names) > 64
    for pid in names:
        status = dict(line.split(":\t", 1) for line in (root / f"proc/{pid}/status").read_text().splitlines())
        assert (root / f"proc/{pid}/comm").read_text().strip() == status["Name"]
        assert users[status["Uid"].split("\t")[0]] in ("root", "research", "hopper")


def test_the_rest_is_the_machine_without_gpus() -> None:
    """All files of the machine without GPUs are there, byte for byte."""
    files = h200_machine(7).files(90_000.0)
    assert cpu_machine(7).files(90_000.0).items() <= files.items()


def test_driver_gone() -> None:
    """While the driver is unloaded there is nothing in /proc/driver/nvidia; the PCI devices stay."""
    machine = h200_machine(1, "driver@10+10")
    counts = [
        (
            sum(path.startswith("proc/driver/nvidia/") for path in files),
            sum(path.startswith("sys/bus/pci/devices/") for path in files),
        )
        for files in (machine.files(START_SECONDS + seconds) for seconds in (9.0, 10.0, 20.0))
    ]
    assert counts == [(10, 8), (0, 8), (10, 8)]


def test_faults_need_gpus() -> None:
    """The machine without GPUs refuses faults, and the one with GPUs those that cannot be, in one sentence."""
    with pytest.raises(ValueError, match="the machine cpu has no GPU"):
        Simulation("cpu", 1, faults="xid79@5:gpu0")
    with pytest.raises(ValueError, match=r"simulate.faults: 'xid79@5:gpu8': expected :gpu0 to :gpu7"):
        Simulation("h200x8", 1, faults="xid79@5:gpu8")
