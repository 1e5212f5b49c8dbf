from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.dmi import FILES, DmiCollector
from nodescope.host import Absent, Host
from tests.collectors.host.machine import Machine, series

FOLDER = "sys/class/dmi/id"
DGX = {
    "bios_date": "05/17/2024", "bios_release": "1.3", "bios_vendor": "AMI", "product_name": "DGXH100",
    "sys_vendor": "NVIDIA", "chassis_serial": "", "board_asset_tag": "  tag  ", "chassis_type": "23",
    "modalias": "dmi:bvnAMI", "uevent": "MODALIAS=dmi:bvnAMI", "ec_firmware_release": "1.0",
}  # fmt: skip


def labels(machine: Machine) -> dict[str, str]:
    (family,) = machine.build("dmi").collect()
    ((values, number),) = family.rows
    assert (family.metric.name, number) == ("node_dmi_info", 1)
    return dict(zip(family.metric.label_names, values, strict=True))


def test_labels(machine: Machine) -> None:
    """A label for each file that there is, empty ones too; type, modalias and what is not documented have none."""
    for name, value in DGX.items():
        machine.write(f"{FOLDER}/{name}", f"{value}\n")
    assert labels(machine) == {
        "bios_date": "05/17/2024", "bios_release": "1.3", "bios_vendor": "AMI", "product_name": "DGXH100",
        "system_vendor": "NVIDIA", "chassis_serial": "", "board_asset_tag": "tag",
    }  # fmt: skip


def test_all_labels(machine: Machine) -> None:
    """With all files there are twenty labels."""
    for name in FILES:
        machine.write(f"{FOLDER}/{name}", b"x\n")
    assert len(labels(machine)) == 20


def test_odd_values(machine: Machine) -> None:
    """Bytes that are no text become replacement characters, and a value without end is cut."""
    machine.write(f"{FOLDER}/product_version", b"\xff\xfe[\xff\n")
    machine.write(f"{FOLDER}/bios_vendor", b"x" * 4096)
    assert labels(machine) == {"product_version": "\ufffd[\ufffd", "bios_vendor": "x" * 128}


def test_what_only_root_may_read(machine: Machine) -> None:
    """A value that cannot be read has no label, the others stay."""

    class Unprivileged(Host):
        def read_seldom(self, path: str, keep_s: float = 60) -> bytes:
            if path.endswith(("_serial", "_uuid")):
                raise PermissionError(13, "Permission denied")
            return super().read_seldom(path, keep_s)

    for name in ("product_serial", "product_uuid", "product_name"):
        machine.write(f"{FOLDER}/{name}", b"x\n")
    (family,) = DmiCollector(Unprivileged(sysfs=machine.host.sysfs)).collect()
    assert family.metric.label_names == ("product_name",)


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """What has not changed is the same object; what vanishes vanishes."""
    machine.write(f"{FOLDER}/bios_vendor", b"AMI\n")
    machine.write(f"{FOLDER}/bios_date", b"05/17/2024\n")
    collector = machine.build("dmi")
    assert collector.collect() is collector.collect()
    machine.write(f"{FOLDER}/bios_vendor", b"Dell\n")
    machine.remove(f"{FOLDER}/bios_date")
    assert list(series(collector.collect())) == ['node_dmi_info{bios_vendor="Dell"}']
    machine.remove(FOLDER)
    with pytest.raises(Absent):
        collector.collect()


def test_absent(machine: Machine) -> None:
    """A machine without DMI has nothing to say; nor has one whose folder is empty."""
    with pytest.raises(Absent):
        machine.build("dmi").collect()
    os.makedirs(machine.folder / FOLDER)
    with pytest.raises(Absent):
        machine.build("dmi").collect()


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the firmware says, it becomes a label of text."""
    machine = Machine(tmp_path_factory.mktemp("dmi"))
    machine.write(f"{FOLDER}/product_name", data)
    assert len(labels(machine)["product_name"].encode()) <= 3 * 128


def test_a_folder_in_place_of_a_label_costs_that_label(machine: Machine) -> None:
    """What is no file is left out and counted; the other labels stay."""
    machine.write("sys/class/dmi/id/sys_vendor", "ACME\n")
    machine.write("sys/class/dmi/id/bios_date/x", "")
    collector = machine.build("dmi")
    assert series(collector.collect()) == {'node_dmi_info{system_vendor="ACME"}': 1}
    assert collector.left_out == 1
