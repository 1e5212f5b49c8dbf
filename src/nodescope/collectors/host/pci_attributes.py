"""What sysfs says of a PCI device. Source: Documentation/ABI/testing/sysfs-bus-pci, Documentation/PCI/sysfs-pci.rst."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.collectors.host.pci_ids import CLASS, Key
from nodescope.kernel.link_speed import gigatransfers
from nodescope.kernel.number import uint64, uint64_any_base
from nodescope.kernel.pci_address import ADDRESS_LABELS, Address
from nodescope.kernel.signed_number import int64
from nodescope.metric import Metric

INT32_MAX: Final = 2**31 - 1
UINT32_MAX: Final = 2**32 - 1
TRANSFERS_PER_GT: Final = 1e9

_PARENT: Final = tuple(f"parent_{name}" for name in ADDRESS_LABELS)
_IDS: Final = ("class_id", "vendor_id", "device_id", "subsystem_vendor_id", "subsystem_device_id", "revision")
_NAMES: Final = ("vendor_name", "device_name", "subsystem_vendor_name", "subsystem_device_name", "class_name")


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"node_pcidevice_{name}", "gauge", help, (*ADDRESS_LABELS, *labels))


_INFO_HELP: Final = "Non-numeric data from /sys/bus/pci/devices/<location>, value is always 1."
INFO: Final = _gauge("info", _INFO_HELP, *_PARENT, *_IDS)
NAMED_INFO: Final = _gauge("info", _INFO_HELP, *_PARENT, *_IDS, *_NAMES)
POWER_STATE: Final = _gauge(
    "power_state", "PCIe device power state, one of: D0, D1, D2, D3hot, D3cold, unknown or error.", "state"
)
POWER_STATES: Final = ("D0", "D1", "D2", "D3hot", "D3cold", "unknown", "error")


def transfers_per_second(raw: bytes) -> float | None:
    value = gigatransfers(raw)
    return None if value is None or value < 0 else value * TRANSFERS_PER_GT


def flag(raw: bytes) -> int | None:
    number = _int32(raw)
    return None if number is None else int(number != 0)


def _int32(raw: bytes) -> int | None:
    number = int64(raw)
    return number if number is not None and -INT32_MAX - 1 <= number <= INT32_MAX else None


def _uint32(raw: bytes) -> int | None:
    number = uint64(raw)
    return number if number is not None and number <= UINT32_MAX else None


class Gauge(NamedTuple):
    """`unknown`: what is shown where the device does not have the attribute, or does not know it; None: no row."""

    attribute: str
    metric: Metric
    parse: Callable[[bytes], float | None]
    unknown: int | None
    may_be_unknown: bool = True


STEADY: Final = (
    Gauge(
        "max_link_speed",
        _gauge("max_link_transfers_per_second", "Value of maximum link's transfers per second (T/s)"),
        transfers_per_second,
        -1,
    ),
    Gauge("max_link_width", _gauge("max_link_width", "Value of maximum link's width (number of lanes)"), int64, -1),
    Gauge(
        "d3cold_allowed",
        _gauge("d3cold_allowed", "Whether the PCIe device supports D3cold power state (0/1)."),
        flag,
        0,
        False,
    ),
    Gauge(
        "sriov_drivers_autoprobe",
        _gauge("sriov_drivers_autoprobe", "Whether SR-IOV drivers autoprobe is enabled for the device (0/1)."),
        flag,
        0,
        False,
    ),
    Gauge(
        "sriov_numvfs",
        _gauge("sriov_numvfs", "Number of Virtual Functions (VFs) currently enabled for SR-IOV."),
        _uint32,
        0,
        False,
    ),
    Gauge(
        "sriov_totalvfs",
        _gauge("sriov_totalvfs", "Total number of Virtual Functions (VFs) supported by the device."),
        _uint32,
        0,
        False,
    ),
    Gauge(
        "sriov_vf_total_msix",
        _gauge("sriov_vf_total_msix", "Total number of MSI-X vectors for Virtual Functions."),
        uint64,
        0,
        False,
    ),
    Gauge(
        "numa_node",
        _gauge("numa_node", "NUMA node number for the PCI device. -1 indicates unknown or not available."),
        _int32,
        None,
    ),
)
LINK: Final = (
    Gauge(
        "current_link_speed",
        _gauge("current_link_transfers_per_second", "Value of current link's transfers per second (T/s)"),
        transfers_per_second,
        -1,
    ),
    Gauge(
        "current_link_width",
        _gauge("current_link_width", "Value of current link's width (number of lanes)"),
        int64,
        -1,
    ),
)
NO_NODE: Final = -1
METRICS: Final = (INFO, *(gauge.metric for gauge in (*STEADY, *LINK)), POWER_STATE)

ID_FILES: Final = (
    ("class", 6), ("vendor", 4), ("device", 4), ("subsystem_vendor", 4), ("subsystem_device", 4), ("revision", 2),
)  # fmt: skip
"""Attribute and number of digits, in the order of the labels."""


class Device:
    """One device: its address, and the paths of what is read of it."""

    __slots__ = ("address", "folder", "link", "parent", "power_state", "steady", "target")

    def __init__(self, folder: str, target: str, place: tuple[Address, Address]) -> None:
        self.folder = folder
        self.target = target
        self.address, self.parent = place
        self.steady = tuple(f"{folder}/{name}" for name in (*dict(ID_FILES), *(gauge.attribute for gauge in STEADY)))
        self.power_state = f"{folder}/power_state"
        self.link = tuple(f"{folder}/{gauge.attribute}" for gauge in LINK)


def value_of(gauge: Gauge, raw: bytes | None) -> tuple[float | None, bool]:
    """What is shown, if anything, and whether that is because the attribute is odd."""
    if not raw or (gauge.may_be_unknown and raw.startswith(b"Unknown")):
        return gauge.unknown, False
    number = gauge.parse(raw)
    return (None if number == NO_NODE and gauge.unknown is None else number), number is None


def id_labels(read: list[bytes | None]) -> tuple[str, ...]:
    """Numbers as 0x060400, empty where there is none."""
    return tuple(_id(raw or b"", digits) for raw, (_, digits) in zip(read, ID_FILES, strict=True))


def _id(raw: bytes, digits: int) -> str:
    number = uint64_any_base(raw)
    return "" if number is None or number > INT32_MAX else f"0x{number:0{digits}x}"


def keys_of(ids: tuple[str, ...]) -> list[Key]:
    """The names that `name_labels` asks for."""
    code, vendor, device, subvendor, subdevice = (label[2:].encode() for label in ids[:5])
    classes: list[Key] = [(CLASS, code[:digits]) for digits in (6, 4, 2)]
    return [(vendor,), (vendor, device), (subvendor,), (vendor, device, subvendor, subdevice), *classes]


def name_labels(ids: tuple[str, ...], names: dict[Key, str]) -> tuple[str, ...]:
    """Names of vendor, device, subsystem's vendor and device, class; where it has none, the number itself."""
    code, vendor, device, subvendor, subdevice = (label[2:] for label in ids[:5])
    *keys, six, four, two = keys_of(ids)
    shown = [names.get(key, label) for key, label in zip(keys, (vendor, device, subvendor, subdevice), strict=True)]
    unknown = f"Unknown class ({code})" if code else ""
    return (*shown, names.get(six) or names.get(four) or names.get(two) or unknown)
