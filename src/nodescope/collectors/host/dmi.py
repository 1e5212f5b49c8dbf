"""The machine's make, model and firmware."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import SELDOM_SECONDS, Absent, Host, text
from nodescope.kernel.attribute import seldom
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_VALUE_BYTES: Final = 128

FILES: Final = (
    "bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial",
    "board_vendor", "board_version", "chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version",
    "product_family", "product_name", "product_serial", "product_sku", "product_uuid", "product_version", "sys_vendor",
)  # fmt: skip
LABELS: Final = {"sys_vendor": "system_vendor"}
"""File -> label, where it is another."""


def info_of(label_names: tuple[str, ...]) -> Metric:
    return Metric(
        "node_dmi_info",
        "gauge",
        "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, bios_version, "
        "board_asset_tag, board_name, board_serial, board_vendor, board_version, chassis_asset_tag, chassis_serial, "
        "chassis_vendor, chassis_version, product_family, product_name, product_serial, product_sku, product_uuid, "
        "product_version, system_vendor if provided by DMI.",
        label_names,
    )


class DmiCollector:
    """What the firmware says of the machine: vendor, product, board, chassis, BIOS.

    *Source*: /sys/class/dmi/id (Documentation/ABI/testing/sysfs-firmware-dmi-tables, SMBIOS). *Absent when*: the
    machine has no DMI, as many that are not x86. A label is left out where the firmware does not give it, or only to
    root (serial numbers, product_uuid). *Cost*: one small read for each label, once a minute.
    """

    name: ClassVar[str] = "dmi"
    metrics: ClassVar[tuple[Metric, ...]] = (info_of(tuple(LABELS.get(file, file) for file in FILES)),)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/dmi/id")
        self._files = [(LABELS.get(file, file), f"{self._folder}/{file}") for file in FILES]
        self._listed: list[str] | None = None
        self._read: list[bytes | None] = []
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=SELDOM_SECONDS)
        # The very same list is one that was remembered, and so is all that was read for it.
        if listed is not self._listed:
            self._learn()
            self._listed = listed
        if not self._families:
            raise Absent(self._folder)
        return self._families

    def _learn(self) -> None:
        self.left_out = 0
        found = [self._value(path) for _, path in self._files]
        if found != self._read:
            labels = {
                label: text(value[:MAX_VALUE_BYTES].strip())
                for (label, _), value in zip(self._files, found, strict=True)
                if value is not None
            }
            self._read = found
            self._families = [Family(info_of(tuple(labels)), [(tuple(labels.values()), 1)])] if labels else []

    def _value(self, path: str) -> bytes | None:
        try:
            return seldom(self._host, path)
        except OSError:
            self.left_out += 1
            return None


def build(host: Host, settings: Settings) -> DmiCollector:
    return DmiCollector(host)
