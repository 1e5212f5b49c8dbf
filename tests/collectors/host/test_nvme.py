from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.nvme_namespace import sizes
from nodescope.host import Absent
from tests.collectors.host.machine import ODD_WORDS, Machine, series

DEVICE = "sys/class/nvme/nvme0"


def controller(machine: Machine, name: str = "nvme0", state: str = "live") -> None:
    """A drive over PCI; its class entry is a link to the device, as sysfs has it."""
    device = machine.folder / f"sys/devices/pci0000:00/0000:01:00.0/nvme/{name}"
    device.mkdir(parents=True)
    link = machine.folder / f"sys/class/nvme/{name}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(device)
    values = {
        "firmware_rev": "GDC5602Q",
        "model": "SAMSUNG MZQL23T8HCLS-00A07               ",
        "serial": "S64HNE0R500000      ",
        "state": state,
        "cntlid": "6",
    }
    for attribute, value in values.items():
        machine.write(f"sys/class/nvme/{name}/{attribute}", f"{value}\n")


def namespace(machine: Machine, name: str, folder: str = DEVICE, nuse: int = 1000, ana: str | None = None) -> None:
    machine.write(f"{folder}/{name}/size", "7501476528\n")
    machine.write(f"{folder}/{name}/nuse", f"{nuse}\n")
    machine.write(f"{folder}/{name}/queue/logical_block_size", "512\n")
    if ana is not None:
        machine.write(f"{folder}/{name}/ana_state", f"{ana}\n")


def info(name: str = "nvme0", **values: str) -> str:
    labels = {
        "device": name,
        "firmware_revision": "GDC5602Q",
        "model": "SAMSUNG MZQL23T8HCLS-00A07",
        "serial": "S64HNE0R500000",
        "state": "live",
        "cntlid": "6",
        **values,
    }
    return "node_nvme_info{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def test_controller_and_namespace(machine: Machine) -> None:
    """Labels are without padding; sizes are blocks times the logical block size; no ANA state is `unknown`."""
    controller(machine)
    namespace(machine, "nvme0n1")
    for other in ("ng0n1", "hwmon3", "nvme0n1p1", "xnvme0n7"):
        (machine.folder / DEVICE / other).mkdir()
    assert series(machine.build("nvme").collect()) == {
        info(): 1,
        'node_nvme_namespace_info{device="nvme0",nsid="1",ana_state="unknown"}': 1,
        'node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"}': 7501476528 * 512,
        'node_nvme_namespace_size_bytes{device="nvme0",nsid="1"}': 7501476528 * 512,
        'node_nvme_namespace_used_bytes{device="nvme0",nsid="1"}': 512000,
        'node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"}': 512,
    }


def test_multipath(machine: Machine) -> None:
    """Under native multipath a controller has paths to namespaces, and these have the ANA state."""
    controller(machine, "nvme3")
    namespace(machine, "nvme1c3n1", "sys/class/nvme/nvme3", ana="optimized")
    namespace(machine, "nvme1c3n12", "sys/class/nvme/nvme3", ana="inaccessible")
    found = series(machine.build("nvme").collect())
    assert 'node_nvme_namespace_info{device="nvme3",nsid="1",ana_state="optimized"}' in found
    assert 'node_nvme_namespace_info{device="nvme3",nsid="12",ana_state="inaccessible"}' in found
    assert len(found) == 11


def test_the_same_namespace_twice(machine: Machine) -> None:
    """Of two entries with one number the namespace itself is shown, and the other is counted."""
    controller(machine)
    namespace(machine, "nvme0c0n1", nuse=5, ana="optimized")
    namespace(machine, "nvme0n1", nuse=7)
    collector = machine.build("nvme")
    assert series(collector.collect())['node_nvme_namespace_used_bytes{device="nvme0",nsid="1"}'] == 7 * 512
    assert collector.left_out == 1


def test_before_nuse(machine: Machine) -> None:
    """A kernel before 6.8 has no nuse: the use is absent, all else is there, nothing is counted."""
    controller(machine)
    namespace(machine, "nvme0n1")
    machine.remove(f"{DEVICE}/nvme0n1/nuse")
    collector = machine.build("nvme")
    names = {family.metric.name for family in collector.collect()}
    assert "node_nvme_namespace_used_bytes" not in names
    assert len(names) == 5
    assert collector.left_out == 0


@pytest.mark.parametrize("odd", [b"", b"x", b"-1", b"1_0", b"\0\0\0", b"18446744073709551615"])
def test_one_broken_attribute(machine: Machine, odd: bytes) -> None:
    """A number that is none, or too large in bytes, costs its own series and is counted."""
    controller(machine)
    namespace(machine, "nvme0n1")
    namespace(machine, "nvme0n2")
    machine.write(f"{DEVICE}/nvme0n1/nuse", odd)
    collector = machine.build("nvme")
    found = series(collector.collect())
    assert 'node_nvme_namespace_used_bytes{device="nvme0",nsid="1"}' not in found
    assert found['node_nvme_namespace_used_bytes{device="nvme0",nsid="2"}'] == 512000
    assert found['node_nvme_namespace_size_bytes{device="nvme0",nsid="1"}'] == 7501476528 * 512
    assert collector.left_out == 1


def test_one_broken_controller(machine: Machine) -> None:
    """What cannot be read of a controller is an empty label, or costs that controller; its siblings stay."""
    controller(machine, "nvme0")
    controller(machine, "nvme1")
    controller(machine, "nvme2")
    machine.remove("sys/class/nvme/nvme1/firmware_rev")
    machine.write("sys/class/nvme/nvme1/serial", b"\xff\xfe\n")
    machine.remove("sys/class/nvme/nvme2/serial")
    (machine.folder / "sys/class/nvme/nvme2/serial").mkdir()
    (machine.folder / "sys/class/nvme/nvme3").symlink_to("gone")
    collector = machine.build("nvme")
    found = series(collector.collect())
    assert found == {info(): 1, info("nvme1", firmware_revision="", serial="\ufffd"): 1}
    assert collector.left_out == 1


@pytest.mark.parametrize("state", ["new", "resetting", "connecting"])
def test_a_busy_controller_is_not_asked(machine: Machine, state: str) -> None:
    """While a controller comes back its namespaces keep the use that was read last."""
    controller(machine)
    namespace(machine, "nvme0n1", nuse=1)
    used = 'node_nvme_namespace_used_bytes{device="nvme0",nsid="1"}'
    collector = machine.build("nvme")
    collector.collect()
    machine.write(f"{DEVICE}/state", state)
    machine.write(f"{DEVICE}/nvme0n1/nuse", "2")
    found = series(collector.collect())
    assert found[used] == 512
    assert info(state=state) in found
    machine.write(f"{DEVICE}/state", "live")
    assert series(collector.collect())[used] == 1024


def test_over_fabrics(machine: Machine) -> None:
    """A controller over fabrics is one as any other, whatever state it is in."""
    controller(machine, "nvme4", state="deleting (no IO)")
    assert series(machine.build("nvme").collect()) == {info("nvme4", state="deleting (no IO)"): 1}


def test_absent(machine: Machine) -> None:
    """Without NVMe there is nothing; with the driver but no drive there are no families."""
    collector = machine.build("nvme")
    with pytest.raises(Absent):
        collector.collect()
    (machine.folder / "sys/class/nvme").mkdir(parents=True)
    assert collector.collect() == []


def test_a_change(machine: Machine) -> None:
    """The next scrape has the new state, use and namespaces, and not the drive that was taken out."""
    controller(machine, "nvme0")
    controller(machine, "nvme1")
    namespace(machine, "nvme0n1", ana="optimized")
    collector = machine.build("nvme")
    collector.collect()
    machine.write(f"{DEVICE}/nvme0n1/ana_state", "non-optimized")
    machine.write(f"{DEVICE}/nvme0n1/nuse", "3")
    machine.write(f"{DEVICE}/state", "dead")
    namespace(machine, "nvme0n2")
    machine.remove("sys/class/nvme/nvme1/state")
    (machine.folder / "sys/class/nvme/nvme1").unlink()
    found = series(collector.collect())
    assert info(state="dead") in found
    assert not any('device="nvme1"' in name for name in found)
    assert found['node_nvme_namespace_info{device="nvme0",nsid="1",ana_state="non-optimized"}'] == 1
    assert found['node_nvme_namespace_used_bytes{device="nvme0",nsid="1"}'] == 1536
    assert found['node_nvme_namespace_used_bytes{device="nvme0",nsid="2"}'] == 512000


RAW = st.none() | st.binary(max_size=24) | st.sampled_from(ODD_WORDS) | st.integers(0, 2**65).map(lambda n: b"%d" % n)


@given(RAW, RAW, RAW)
def test_any_sizes(size: bytes | None, nuse: bytes | None, block_size: bytes | None) -> None:
    """Whatever the attributes hold, each number is known or not, and none is larger than 64 bits."""
    found = sizes(size, nuse, block_size)
    assert all(number is None or 0 <= number < 2**64 for number in found[:4])
    assert found.left_out <= 3
