"""What never changes on a simulated machine: its operating system and its clock sources.

Source: os-release(5); Documentation/ABI/testing/sysfs-devices-system-clocksource.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.simulate.part import Row

_OS_RELEASE: Final[dict[str, str]] = {
    "PRETTY_NAME": "Ubuntu 24.04.2 LTS",
    "NAME": "Ubuntu",
    "VERSION_ID": "24.04",
    "VERSION": "24.04.2 LTS (Noble Numbat)",
    "VERSION_CODENAME": "noble",
    "ID": "ubuntu",
    "ID_LIKE": "debian",
}
_OS_LABELS: Final = (
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
)
_OS_VERSION_LABELS: Final = ("id", "id_like", "name")
_CLOCKSOURCES: Final = ("tsc", "hpet", "acpi_pm")


class SystemPart:
    """/etc/os-release and /sys/devices/system/clocksource."""

    def __init__(self) -> None:
        clocksource = "sys/devices/system/clocksource/clocksource0"
        self._fixed = {
            "etc/os-release": "".join(f'{name}="{text}"\n' for name, text in _OS_RELEASE.items()).encode(),
            f"{clocksource}/available_clocksource": f"{' '.join(_CLOCKSOURCES)} \n".encode(),
            f"{clocksource}/current_clocksource": f"{_CLOCKSOURCES[0]}\n".encode(),
        }

    def files(self, seconds: float) -> dict[str, bytes]:
        return self._fixed

    def truths(self, seconds: float) -> Iterable[Row]:
        labels = {label: _OS_RELEASE.get(label.upper(), "") for label in _OS_LABELS}
        yield "node_os_info", labels, 1.0
        version_labels = {label: labels[label] for label in _OS_VERSION_LABELS}
        yield "node_os_version", version_labels, float(_OS_RELEASE["VERSION_ID"])
        for clocksource in _CLOCKSOURCES:
            yield "node_time_clocksource_available_info", {"device": "0", "clocksource": clocksource}, 1.0
        yield "node_time_clocksource_current_info", {"device": "0", "clocksource": _CLOCKSOURCES[0]}, 1.0
