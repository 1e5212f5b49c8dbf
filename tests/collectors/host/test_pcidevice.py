from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host import pci_attributes
from nodescope.collectors.host.pci_attributes import LINK, STEADY, Gauge, id_labels, transfers_per_second, value_of
from nodescope.host import Absent
from tests.collectors.host.machine import ODD_WORDS, Machine, series

IDS = {
    "class": "0x030200", "vendor": "0x10de", "device": "0x2335", "subsystem_vendor": "0x10de",
    "subsystem_device": "0x18be", "revision": "0xa1",
}  # fmt: skip
GPU = IDS | {
    "max_link_speed": "32.0 GT/s PCIe", "max_link_width": "16", "current_link_speed": "16.0 GT/s PCIe",
    "current_link_width": "8", "d3cold_allowed": "1", "sriov_drivers_autoprobe": "1", "sriov_numvfs": "2",
    "sriov_totalvfs": "16", "sriov_vf_total_msix": "0", "numa_node": "1", "power_state": "D0",
}  # fmt: skip
BRIDGE = "../../../devices/pci0000:5d/0000:5d:01.0"
AT = 'segment="0000",bus="{}",device="00",function="0"'


def add(machine: Machine, name: str, attributes: dict[str, str], bridge: str = BRIDGE) -> Path:
    """A device below `bridge`, with its link as the kernel makes it."""
    folder = (machine.folder / "sys/bus/pci/devices" / bridge).resolve() / name
    folder.mkdir(parents=True)
    for attribute, value in attributes.items():
        (folder / attribute).write_text(f"{value}\n")
    link = machine.folder / "sys/bus/pci/devices" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"{bridge}/{name}")
    return folder


def of(found: dict[str, float], bus: str) -> dict[str, float]:
    """Family without node_pcidevice_ -> number, of the device on `bus`; its info and power state left out."""
    suffix = f"{{{AT.format(bus)}}}"
    return {name[15 : -len(suffix)]: value for name, value in found.items() if name.endswith(suffix)}


def test_a_device(machine: Machine) -> None:
    """Links in transfers per second and lanes, virtual functions, node, power state, and ids with the parent."""
    add(machine, "0000:5e:00.0", GPU)
    collector = machine.build("pcidevice")
    found = series(collector.collect())
    assert of(found, "5e") == {
        "max_link_transfers_per_second": 32e9, "max_link_width": 16, "current_link_transfers_per_second": 16e9,
        "current_link_width": 8, "d3cold_allowed": 1, "sriov_drivers_autoprobe": 1, "sriov_numvfs": 2,
        "sriov_totalvfs": 16, "sriov_vf_total_msix": 0, "numa_node": 1,
    }  # fmt: skip
    ids = 'class_id="0x030200",vendor_id="0x10de",device_id="0x2335",subsystem_vendor_id="0x10de"'
    parent = 'parent_segment="0000",parent_bus="5d",parent_device="01",parent_function="0"'
    rest = 'subsystem_device_id="0x18be",revision="0xa1"'
    assert found[f"node_pcidevice_info{{{AT.format('5e')},{parent},{ids},{rest}}}"] == 1
    states = {name.split('state="')[1][:-2]: value for name, value in found.items() if "power_state" in name}
    assert states == {"D0": 1, "D1": 0, "D2": 0, "D3hot": 0, "D3cold": 0, "unknown": 0, "error": 0}
    assert collector.left_out == 0


def test_what_a_device_does_not_have(machine: Machine) -> None:
    """Links are -1 where unknown or not there, D3cold and virtual functions 0; node and power state have no row."""
    add(machine, "0000:01:00.0", IDS)
    unknown = {"max_link_speed": "Unknown speed", "current_link_speed": "Unknown", "numa_node": "-1", "power_state": ""}
    add(machine, "0000:02:00.0", IDS | unknown | {"current_link_width": "", "sriov_numvfs": "", "max_link_width": "0"})
    collector = machine.build("pcidevice")
    found = series(collector.collect())
    nothing = {
        "max_link_transfers_per_second": -1, "max_link_width": -1, "current_link_transfers_per_second": -1,
        "current_link_width": -1, "d3cold_allowed": 0, "sriov_drivers_autoprobe": 0, "sriov_numvfs": 0,
        "sriov_totalvfs": 0, "sriov_vf_total_msix": 0,
    }  # fmt: skip
    assert of(found, "01") == nothing
    assert of(found, "02") == nothing | {"max_link_width": 0}
    assert not any("power_state" in name for name in found)
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("attribute", "value", "family"),
    [
        ("max_link_speed", "32.0 MT/s", "max_link_transfers_per_second"), ("max_link_width", "x16", "max_link_width"),
        ("current_link_speed", "fast GT/s PCIe", "current_link_transfers_per_second"),
        ("current_link_speed", "-1.0 GT/s PCIe", "current_link_transfers_per_second"),
        ("current_link_width", "1_6", "current_link_width"), ("d3cold_allowed", "yes", "d3cold_allowed"),
        ("sriov_numvfs", "-1", "sriov_numvfs"), ("sriov_totalvfs", str(2**32), "sriov_totalvfs"),
        ("sriov_vf_total_msix", str(2**64), "sriov_vf_total_msix"), ("numa_node", str(2**31), "numa_node"),
        ("sriov_drivers_autoprobe", "Unknown", "sriov_drivers_autoprobe"),
    ],
)  # fmt: skip
def test_an_odd_attribute_costs_itself_alone(machine: Machine, attribute: str, value: str, family: str) -> None:
    """What is no such value has no row and is counted; the device's others and its siblings stay."""
    add(machine, "0000:5e:00.0", GPU)
    add(machine, "0000:5f:00.0", GPU | {attribute: value})
    collector = machine.build("pcidevice")
    for _ in range(2):
        found = series(collector.collect())
        assert of(found, "5e").keys() - of(found, "5f").keys() == {family}
        assert collector.left_out == 1


def test_an_odd_power_state(machine: Machine) -> None:
    """A state that there is not has no rows."""
    add(machine, "0000:5e:00.0", GPU | {"power_state": "D7"})
    collector = machine.build("pcidevice")
    assert not any("power_state" in name for name in series(collector.collect()))
    assert collector.left_out == 1


def test_odd_ids(machine: Machine) -> None:
    """An id that is odd or not there is an empty label and counted; a device without any has no info."""
    add(machine, "0000:5e:00.0", GPU | {"revision": "first", "device": str(2**31)})
    folder = add(machine, "0000:5f:00.0", GPU)
    for name in IDS:
        (folder / name).unlink()
    collector = machine.build("pcidevice")
    infos = [name for name in series(collector.collect()) if "_info" in name]
    assert len(infos) == 1
    assert 'device_id="",' in infos[0]
    assert infos[0].endswith('revision=""}')
    assert collector.left_out == 8


def test_what_is_no_device(machine: Machine) -> None:
    """An entry that is no link, leads nowhere or to no address, or to a device twice, costs itself alone."""
    add(machine, "0000:5e:00.0", GPU)
    devices = machine.folder / "sys/bus/pci/devices"
    (devices / "0000:00:00.0").mkdir()
    (devices / "0000:00:01.0").symlink_to("../../../devices/none")
    (devices / "0000:00:02.0").symlink_to(f"{BRIDGE}/0000:00:02.0")
    (devices / "0000:ff:00.0").symlink_to(f"{BRIDGE}/0000:5e:00.0")
    collector = machine.build("pcidevice")
    found = series(collector.collect())
    assert len([name for name in found if "_info" in name]) == 1
    assert collector.left_out == 4


def test_segments_of_any_width(machine: Machine) -> None:
    """Domains of VMD and of hypervisors have more than four digits; what stands below their bridge has no parent."""
    add(machine, "10000:e1:00.0", GPU, "../../../devices/pci0000:00/0000:00:0e.0/pci10000:e0")
    (info,) = [name for name in series(machine.build("pcidevice").collect()) if "_info" in name]
    assert 'segment="10000",bus="e1",' in info
    assert 'parent_segment="*",parent_bus="*",parent_device="*",parent_function="*"' in info


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Links, states, new devices and those that are gone are seen; without a change the very rows come again."""
    folder = add(machine, "0000:5e:00.0", GPU)
    collector = machine.build("pcidevice")
    first, second = list(collector.collect()), list(collector.collect())
    assert all(one.rows is other.rows for one, other in zip(first, second, strict=True))
    (folder / "current_link_width").write_text("4\n")
    (folder / "power_state").write_text("D3hot\n")
    (folder / "sriov_numvfs").write_text("7\n")
    add(machine, "0000:5f:00.0", GPU)
    found = series(collector.collect())
    assert of(found, "5e")["current_link_width"] == 4
    assert of(found, "5e")["sriov_numvfs"] == 7
    assert found[f'node_pcidevice_power_state{{{AT.format("5e")},state="D3hot"}}'] == 1
    assert of(found, "5f") != {}
    (machine.folder / "sys/bus/pci/devices/0000:5e:00.0").unlink()
    assert not any(AT.format("5e") in name for name in series(collector.collect()))
    assert collector.left_out == 0


def test_a_device_that_goes_during_a_scrape(machine: Machine) -> None:
    """A device whose folder is gone, while its link is still listed, is seen by its power state, and no failure."""
    add(machine, "0000:5e:00.0", GPU)
    collector = machine.build("pcidevice")
    collector.collect()
    machine.remove("sys/devices/pci0000:5d/0000:5d:01.0/0000:5e:00.0/power_state")
    assert not any("power_state" in name for name in series(collector.collect()))


def test_names(machine: Machine) -> None:
    """By setting, names from pci.ids stand beside the numbers; the number itself where there is none."""
    add(machine, "0000:5e:00.0", GPU)
    add(machine, "0000:5f:00.0", GPU | {"vendor": "0xdead", "class": "0xff0000", "subsystem_vendor": "odd"})
    ids = machine.folder / "my.ids"
    ids.write_text(
        "10de  NVIDIA Corporation\n\t2335  GH100 [H200 SXM]\nC 03  Display controller\n\t02  3D controller\n"
    )
    collector = machine.build("pcidevice", {"names": True, "idsfile": str(ids)})

    def names() -> list[str]:
        return [name.partition("vendor_name=")[2] for name in series(collector.collect()) if "_info" in name]

    gpu = '"NVIDIA Corporation",device_name="GH100 [H200 SXM]",subsystem_vendor_name="NVIDIA Corporation"'
    assert names() == [
        f'{gpu},subsystem_device_name="18be",class_name="3D controller"}}',
        '"dead",device_name="2335",subsystem_vendor_name="",subsystem_device_name="18be",'
        'class_name="Unknown class (ff0000)"}',
    ]  # fmt: skip
    ids.unlink()
    assert names()[0].startswith('"10de",device_name="2335",')
    assert names()[0].endswith('class_name="Unknown class (030200)"}')


def test_absent(machine: Machine) -> None:
    """A machine without PCI has nothing to say; a bus without devices has no rows."""
    with pytest.raises(Absent):
        machine.build("pcidevice").collect()
    (machine.folder / "sys/bus/pci/devices").mkdir(parents=True)
    assert machine.build("pcidevice").collect() == []


@pytest.mark.parametrize(("raw", "value"), [(b"2.5 GT/s PCIe", 2.5e9), (b"8 GT/s", 8e9), (b"64.0 GT/s PCIe", 64e9)])
def test_speeds(raw: bytes, value: float) -> None:
    """Old kernels and new ones write speeds in two ways."""
    assert transfers_per_second(raw) == value


@given(st.sampled_from((*STEADY, *LINK)), st.sampled_from(ODD_WORDS) | st.binary())
def test_any_bytes(gauge: Gauge, raw: bytes) -> None:
    """Whatever an attribute holds, there is a number, or none and it is odd or not shown."""
    number, odd = value_of(gauge, raw)
    assert not (odd and number is not None)
    assert all(label == "" or label.startswith("0x") for label in id_labels([raw] * len(pci_attributes.ID_FILES)))
