"""The operating system's release."""

from __future__ import annotations

import os
import re
from typing import ClassVar, Final

from nodescope.collectors.host.os_release import MAX_LINES, parse_os_release
from nodescope.host import Absent, Host
from nodescope.kernel.date import SECONDS_PER_DAY, days_in_month, days_since_1970
from nodescope.kernel.file import Stamp, stamp
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

FILES: Final = ("/etc/os-release", "/usr/lib/os-release")
INFO_LABELS: Final = (
    "build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version",
    "version_codename", "version_id",
)  # fmt: skip
VERSION_LABELS: Final = ("id", "id_like", "name")
INFO: Final = Metric(
    "node_os_info", "gauge", f"A metric with a constant '1' value labeled by {', '.join(INFO_LABELS)}.", INFO_LABELS
)
VERSION: Final = Metric(
    "node_os_version", "gauge", "Metric containing the major.minor part of the OS version.", VERSION_LABELS
)
SUPPORT_END: Final = Metric(
    "node_os_support_end_timestamp_seconds", "gauge", "Metric containing the end-of-life date timestamp of the OS."
)
MAX_VERSION_DIGITS: Final = 64

_MAJOR_MINOR: Final = re.compile(r"[0-9]+\.?[0-9]*")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


def major_minor(version_id: str) -> float | None:
    """22.04 of "22.04.3"; None where there is no such number, or it is 0."""
    found = _MAJOR_MINOR.match(version_id)
    if found is None or found.end() > MAX_VERSION_DIGITS:
        return None
    return float(found[0]) or None


def unix_seconds(date: str) -> int | None:
    """Unix time of YYYY-MM-DD at midnight UTC, None where there is no such day."""
    found = _DATE.fullmatch(date)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups())
    if not 1 <= month <= 12 or not 1 <= day <= days_in_month(year, month):
        return None
    return days_since_1970(year, month, day) * SECONDS_PER_DAY


def families_of(release: dict[str, str]) -> list[Family]:
    families = [Family(INFO, ((_labels(release, INFO_LABELS), 1),))]
    if (version := major_minor(release.get("VERSION_ID", ""))) is not None:
        families.append(Family(VERSION, ((_labels(release, VERSION_LABELS), version),)))
    if (end := unix_seconds(release.get("SUPPORT_END", ""))) is not None:
        families.append(single(SUPPORT_END, end))
    return families


def _has_odd_date(release: dict[str, str]) -> bool:
    end = release.get("SUPPORT_END", "")
    return end != "" and unix_seconds(end) is None


def _labels(release: dict[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(release.get(name.upper(), "") for name in names)


class OsCollector:
    """Name, version and end of support of the operating system.

    *Source*: /etc/os-release, else /usr/lib/os-release under the host's root, os-release(5). *Units*: the end of
    support in seconds of Unix time. *Absent when*: neither file is there; version and end of support where the file
    does not say them. *Cost*: one stat(2); read again when the file has changed.
    """

    name: ClassVar[str] = "os"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO, VERSION, SUPPORT_END)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._paths = [host.root(file) for file in FILES]
        self._stamp: tuple[str, Stamp] | None = None
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        for path in self._paths:
            try:
                found = (path, stamp(os.stat(path)))
                if found != self._stamp:
                    data = self._host.read_once(path)
                    release = parse_os_release(data, path)
                    self._families = families_of(release)
                    self.left_out = max(0, data.count(b"\n") - MAX_LINES) + _has_odd_date(release)
                    self._stamp = found
            except (FileNotFoundError, NotADirectoryError, Absent):
                continue
            return self._families
        raise Absent(" and ".join(self._paths))


def build(host: Host, settings: Settings) -> OsCollector:
    return OsCollector(host)
