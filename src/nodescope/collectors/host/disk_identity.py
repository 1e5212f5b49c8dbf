"""What a block device is: its names and numbers, filesystem, device mapping, ATA properties.

Source: the udev database (/run/udev/data, udevadm-info(8)) and /sys/block/<device>/queue/rotational
(Documentation/ABI/stable/sysfs-block).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, text
from nodescope.kernel.number import decimal
from nodescope.metric import Family, Metric, Row


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"node_disk_{name}", "gauge", help, ("device", *labels))


INFO: Final = _gauge(
    "info",
    "Info of /sys/block/<block_device>.",
    "major",
    "minor",
    "path",
    "wwn",
    "model",
    "serial",
    "revision",
    "rotational",
)
FILESYSTEM: Final = _gauge("filesystem_info", "Info about disk filesystem.", "type", "usage", "uuid", "version")
DEVICE_MAPPER: Final = _gauge(
    "device_mapper_info", "Info about disk device mapper.", "name", "uuid", "vg_name", "lv_name", "lv_layer"
)
ATA: Final = (
    ("ID_ATA_WRITE_CACHE", _gauge("ata_write_cache", "ATA disk has a write cache.")),
    ("ID_ATA_WRITE_CACHE_ENABLED", _gauge("ata_write_cache_enabled", "ATA disk has its write cache enabled.")),
    ("ID_ATA_ROTATION_RATE_RPM", _gauge("ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs).")),
)
METRICS: Final = (INFO, FILESYSTEM, DEVICE_MAPPER, *(metric for _, metric in ATA))

# A family is shown where its first property is there.
_PROPERTIES: Final = (
    (FILESYSTEM, ("ID_FS_TYPE", "ID_FS_USAGE", "ID_FS_UUID", "ID_FS_VERSION")),
    (DEVICE_MAPPER, ("DM_NAME", "DM_UUID", "DM_VG_NAME", "DM_LV_NAME", "DM_LV_LAYER")),
)
_SERIALS: Final = ("SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL")


class Device(NamedTuple):
    """A block device as /proc/diskstats has it."""

    major: int
    minor: int
    name: str


Answer = tuple[bytes, str]
"""A device's file of the udev database, empty where there is none; its label `rotational`."""


def parse_properties(data: bytes) -> dict[str, str]:
    """Name -> value of the lines E:NAME=VALUE of a file of the udev database; other lines are other things."""
    properties: dict[str, str] = {}
    for line in data.split(b"\n"):
        name, equals, value = line.partition(b"=")
        if equals and name.startswith(b"E:"):
            properties[text(name[2:])] = text(value.removesuffix(b"\r"))
    return properties


def ask(host: Host, devices: Iterable[Device], udev: bool = True) -> list[Answer]:
    """What the udev database, where there is one, and sysfs say of each device."""
    return [(_database(host, device) if udev else b"", _rotational(host, device)) for device in devices]


def identity_families(devices: Iterable[Device], answers: Iterable[Answer]) -> list[Family]:
    """The families of `METRICS` that have rows. What udev does not know is an empty label."""
    rows: dict[Metric, list[Row]] = {metric: [] for metric in METRICS}
    for device, (database, rotational) in zip(devices, answers, strict=True):
        for metric, row in _identity(device, parse_properties(database), rotational):
            rows[metric].append(row)
    return [Family(metric, tuple(values)) for metric, values in rows.items() if values]


def _identity(device: Device, properties: dict[str, str], rotational: str) -> Iterator[tuple[Metric, Row]]:
    get = properties.get
    serial = next((value for key in _SERIALS if (value := get(key))), "")
    yield (
        INFO,
        (
            (
                device.name,
                str(device.major),
                str(device.minor),
                get("ID_PATH", ""),
                get("ID_WWN", ""),
                get("ID_MODEL", ""),
                serial,
                get("ID_REVISION", ""),
                rotational,
            ),
            1,
        ),
    )
    for metric, keys in _PROPERTIES:
        if get(keys[0]):
            yield metric, ((device.name, *(get(key, "") for key in keys)), 1)
    if get("ID_ATA"):
        for key, metric in ATA:
            number = decimal(get(key, "").encode())
            if number is not None:
                yield metric, ((device.name,), number)


def _database(host: Host, device: Device) -> bytes:
    try:
        return host.read_once(host.udev(f"b{device.major}:{device.minor}"))
    except (Absent, OSError):
        return b""


def _rotational(host: Host, device: Device) -> str:
    """ "1" for a disk that turns, else "0": partitions and virtual devices have no such attribute."""
    # sysfs writes a slash in a name as an exclamation mark.
    path = host.sys(f"block/{device.name.replace('/', '!')}/queue/rotational")
    try:
        return "1" if host.read_seldom(path).strip() == b"1" else "0"
    except (Absent, OSError, ValueError):  # ValueError: a name with a zero byte
        return "0"
