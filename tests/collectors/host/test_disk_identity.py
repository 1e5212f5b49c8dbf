from __future__ import annotations

from hypothesis import given

from nodescope.collectors.host.disk_identity import Device, ask, identity_families, parse_properties
from nodescope.metric import Family
from tests.collectors.host.machine import Machine, mangled, series

DISK = Device(8, 0, "sda")
UDEV = (
    "S:disk/by-id/ata-TOSHIBA\nW:702\nE:ID_ATA=1\nE:ID_MODEL=TOSHIBA=KSDB\nE:ID_PATH=pci-0000:3b:00.0\nE:ID_WWN=0x7c\n"
    "E:ID_REVISION=0102\nE:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_WRITE_CACHE_ENABLED=0\nE:ID_ATA_ROTATION_RATE_RPM=7200\n"
)


def identities(machine: Machine, devices: list[Device]) -> list[Family]:
    return identity_families(devices, ask(machine.host, devices))


def info(machine: Machine, device: Device = DISK) -> dict[str, str]:
    ((values, number),) = identities(machine, [device])[0].rows
    assert number == 1
    return dict(zip(identities(machine, [device])[0].metric.label_names, values, strict=True))


def test_what_udev_and_sysfs_say(machine: Machine) -> None:
    """Path, wwn, model and revision are udev's; whether the disk turns is the kernel's."""
    machine.write("udev/b8:0", UDEV + "E:ID_SERIAL=long\n")
    machine.write("sys/block/sda/queue/rotational", "1\n")
    assert info(machine) == {
        "device": "sda", "major": "8", "minor": "0", "path": "pci-0000:3b:00.0", "wwn": "0x7c", "model": "TOSHIBA=KSDB",
        "serial": "long", "revision": "0102", "rotational": "1",
    }  # fmt: skip


def test_the_serial_number_on_the_label_comes_first(machine: Machine) -> None:
    """SCSI_IDENT_SERIAL, else ID_SERIAL_SHORT, else ID_SERIAL; an empty one does not count."""
    properties = ["E:ID_SERIAL=c\n", "E:ID_SERIAL_SHORT=b\n", "E:SCSI_IDENT_SERIAL=a\n", "E:SCSI_IDENT_SERIAL=\n"]
    for count, serial in ((1, "c"), (2, "b"), (3, "a"), (4, "b")):
        machine.write("udev/b8:0", "".join(properties[:count]))
        assert info(machine)["serial"] == serial


def test_unknown_is_an_empty_label(machine: Machine) -> None:
    """Without udev and without the attribute there are numbers and a disk that does not turn."""
    assert info(machine, Device(259, 3, "nvme0n1p1")) == {
        "device": "nvme0n1p1", "major": "259", "minor": "3", "path": "", "wwn": "", "model": "", "serial": "",
        "revision": "", "rotational": "0",
    }  # fmt: skip


def test_a_slash_in_a_name(machine: Machine) -> None:
    """A device like cciss/c0d0 stands in sysfs with an exclamation mark; no name leads out of the folder."""
    machine.write("sys/block/cciss!c0d0/queue/rotational", "1\n")
    machine.write("sys/queue/rotational", "1\n")
    assert info(machine, Device(104, 0, "cciss/c0d0"))["rotational"] == "1"
    assert info(machine, Device(104, 1, "../sda"))["rotational"] == "0"
    assert info(machine, Device(104, 1, "a\0b"))["rotational"] == "0"


def test_ata(machine: Machine) -> None:
    """ATA properties have families of their own, where they are numbers and the disk is an ATA disk."""
    machine.write("udev/b8:0", UDEV)
    ata = {name: value for name, value in series(identities(machine, [DISK])).items() if "ata_" in name}
    assert ata == {
        'node_disk_ata_write_cache{device="sda"}': 1, 'node_disk_ata_write_cache_enabled{device="sda"}': 0,
        'node_disk_ata_rotation_rate_rpm{device="sda"}': 7200,
    }  # fmt: skip
    machine.write("udev/b8:0", UDEV.replace("RPM=7200", "RPM=fast").replace("E:ID_ATA_WRITE_CACHE=1\n", ""))
    assert len(series(identities(machine, [DISK]))) == 2
    machine.write("udev/b8:0", UDEV.replace("E:ID_ATA=1\n", ""))
    assert len(series(identities(machine, [DISK]))) == 1


def test_filesystem_and_device_mapper(machine: Machine) -> None:
    """What is on a device, and what maps it, where udev says so."""
    machine.write("udev/b252:0", "E:DM_NAME=vg-root\nE:DM_VG_NAME=vg\nE:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\n")
    machine.write("udev/b252:1", "E:DM_UUID=LVM-x\nE:ID_FS_TYPE=\n")
    found = series(identities(machine, [Device(252, 0, "dm-0"), Device(252, 1, "dm-1")]))
    assert list(found)[2:] == [
        'node_disk_filesystem_info{device="dm-0",type="ext4",usage="filesystem",uuid="",version=""}',
        'node_disk_device_mapper_info{device="dm-0",name="vg-root",uuid="",vg_name="vg",lv_name="",lv_layer=""}',
    ]


def test_lines_that_end_as_those_of_a_text_file_may(machine: Machine) -> None:
    """A carriage return at the end of a line belongs to no value."""
    machine.write("udev/b8:0", UDEV.replace("\n", "\r\n"))
    found = info(machine)
    assert (found["path"], found["revision"]) == ("pci-0000:3b:00.0", "0102")
    assert len(identities(machine, [DISK])) == 4


def test_without_a_database(machine: Machine) -> None:
    """Where there is no udev nothing is looked for in its folder."""
    machine.write("udev/b8:0", UDEV)
    assert ask(machine.host, [DISK], udev=False) == [(b"", "0")]


def test_one_unreadable_device_costs_itself_alone(machine: Machine) -> None:
    """A device whose udev file is no file, and bytes that are not UTF-8, leave the others' labels whole."""
    machine.write("udev/b8:0/x", "")
    machine.write("udev/b8:16", b"E:ID_MODEL=a\xff\xfeb\n")
    first, second = identities(machine, [DISK, Device(8, 16, "sdb")])[0].rows
    assert (first[0][5], second[0][5]) == ("", "a\ufffdb")


@given(mangled(UDEV.encode()))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, there are properties."""
    assert all(isinstance(value, str) for value in parse_properties(data).values())
