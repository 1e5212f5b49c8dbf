"""What a simulated machine's firmware says of it, and its watchdog.

Source: Documentation/ABI/testing/sysfs-firmware-dmi-tables, sysfs-class-watchdog.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.part import NumberFiles, Reading, Row, texts

_DMI: Final[dict[str, str]] = {
    "bios_date": "09/12/2024",
    "bios_release": "5.32",
    "bios_vendor": "American Megatrends International, LLC.",
    "bios_version": "2.4",
    "board_asset_tag": "Base Board Asset Tag",
    "board_name": "X13DEI-T",
    "board_serial": "WM236S001234",
    "board_vendor": "Supermicro",
    "board_version": "1.10",
    "chassis_asset_tag": "Chassis Asset Tag",
    "chassis_serial": "C819UAM12C40036",
    "chassis_vendor": "Supermicro",
    "chassis_version": "0123456789",
    "product_family": "Family",
    "product_name": "SYS-621P-TR",
    "product_serial": "S512345X3A01234",
    "product_sku": "To be filled by O.E.M.",
    "product_uuid": "0a1f2c00-5b7e-11ee-8000-3cecefc0ffee",
    "product_version": "0123456789",
    "sys_vendor": "Supermicro",
}
_WATCHDOG: Final = "sys/class/watchdog/watchdog0"
_TIMEOUT_SECONDS: Final = 30
_WATCHDOG_TEXTS: Final = {"identity": "iTCO_wdt", "options": "0x8180", "state": "active", "status": "0x8000"}
_WATCHDOG_NUMBERS: Final = (
    ("bootstatus", 0, ""),
    ("fw_version", 0, ""),
    ("nowayout", 0, ""),
    ("timeout", _TIMEOUT_SECONDS, "_seconds"),
)
_FED_SECONDS: Final = 15
"""How often systemd feeds it: twice in its time."""


def firmware_part() -> NumberFiles:
    """/sys/class/dmi and /sys/class/watchdog."""
    fixed = texts("sys/class/dmi/id", _DMI) | texts(_WATCHDOG, _WATCHDOG_TEXTS)
    labels = {"system_vendor" if name == "sys_vendor" else name: said for name, said in _DMI.items()}
    name = {"name": "watchdog0"}
    rows: list[Row] = [
        ("node_dmi_info", labels, 1.0),
        ("node_watchdog_info", {**name, **_WATCHDOG_TEXTS, "pretimeout_governor": ""}, 1.0),
    ]
    for file, number, unit in _WATCHDOG_NUMBERS:
        fixed |= texts(_WATCHDOG, {file: number})
        rows.append((f"node_watchdog_{file}{unit}", name, float(number)))

    def readings(seconds: float) -> Iterator[Reading]:
        left = _TIMEOUT_SECONDS - int(seconds) % _FED_SECONDS
        yield Reading(f"{_WATCHDOG}/timeleft", left, "node_watchdog_timeleft_seconds", name, float(left))

    return NumberFiles(fixed, rows, readings)
