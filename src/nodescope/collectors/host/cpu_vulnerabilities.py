"""What the kernel says of the CPU's vulnerabilities."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import SYSFS_PAGE_BYTES, Absent, Host, Malformed, text
from nodescope.kernel.file_name import shown
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_VULNERABILITIES: Final = 256
LIST_SECONDS: Final = 60.0
STATES: Final = ("not affected", "vulnerable", "mitigation", "unknown")
"""How a file begins, in any case; the words behind it say more, except behind the first."""

INFO: Final = Metric(
    "node_cpu_vulnerabilities_info",
    "gauge",
    "Details of each CPU vulnerability reported by sysfs. The value of the series is an int encoded state of the"
    " vulnerability. The same state is stored as a string in the label",
    ("codename", "state", "mitigation"),
)


def parse_vulnerability(data: bytes, source: str) -> tuple[str, str]:
    """State and mitigation. A text that begins with no state is an unknown one, and is shown as it is."""
    if len(data) > SYSFS_PAGE_BYTES:
        raise Malformed(source, data, f"at most {SYSFS_PAGE_BYTES} bytes")
    said = text(data.strip())
    lower = said.lower()
    state = next((state for state in STATES if lower.startswith(state)), None)
    if state is None:
        return "unknown", said
    if state == "not affected":
        return state, ""
    return state, text(b" ".join(data.split()[1:]))


class CpuVulnerabilitiesCollector:
    """Whether the CPU has each vulnerability that the kernel knows, and what is done about it.

    *Source*: /sys/devices/system/cpu/vulnerabilities (Documentation/ABI/testing/sysfs-devices-system-cpu).
    *Units*: none. *No rows where*: the kernel is older than 4.15. *Cost*: a file for each vulnerability, read once a
    minute.
    """

    name: ClassVar[str] = "cpu_vulnerabilities"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/cpu/vulnerabilities")
        self._read: list[tuple[str, bytes]] = []
        self._families: list[Family] = []
        self._odd = 0

    def collect(self) -> list[Family]:
        try:
            names = self._host.list(self._folder, keep_s=LIST_SECONDS)
        except Absent:
            names = []
        self.left_out = max(0, len(names) - MAX_VULNERABILITIES)
        read: list[tuple[str, bytes]] = []
        for name in names[:MAX_VULNERABILITIES]:
            try:
                read.append((name, self._host.read_seldom(f"{self._folder}/{name}")))
            except Absent:
                continue
            except (Malformed, OSError):
                self.left_out += 1
        if read != self._read:
            self._families = self._families_of(read)
            self._read = read
        self.left_out += self._odd
        return self._families

    def _families_of(self, read: list[tuple[str, bytes]]) -> list[Family]:
        rows: list[Row] = []
        for name, data in read:
            try:
                rows.append(((shown(name), *parse_vulnerability(data, f"{self._folder}/{name}")), 1))
            except Malformed:
                continue
        self._odd = len(read) - len(rows)
        return [Family(INFO, rows)] if rows else []


def build(host: Host, settings: Settings) -> CpuVulnerabilitiesCollector:
    return CpuVulnerabilitiesCollector(host)
