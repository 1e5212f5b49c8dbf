"""SELinux mode."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

DISABLED: Final = -1
MODES: Final = {b"enforcing": 1, b"permissive": 0}
STATES: Final = {b"1": 1, b"0": 0}
NO_POLICY: Final = b"kernel"
"""The label of every process until a policy is loaded."""

ENABLED: Final = Metric("node_selinux_enabled", "gauge", "SELinux is enabled, 1 is true, 0 is false")
CONFIGURED: Final = Metric("node_selinux_config_mode", "gauge", "Configured SELinux enforcement mode")
CURRENT: Final = Metric("node_selinux_current_mode", "gauge", "Current SELinux enforcement mode")


def parse_config(data: bytes) -> int:
    """The mode of the first line SELINUX=: 1 enforcing, 0 permissive, -1 for all else and where there is none."""
    for line in data.split(b"\n"):
        key, equals, value = line.strip().partition(b"=")
        if equals and key == b"SELINUX":
            return MODES.get(value.strip(b'" \t').lower(), DISABLED)
    return DISABLED


class SelinuxCollector:
    """Whether SELinux is in use, how it is set to begin, and what it does now: 1 enforcing, 0 permissive, -1 disabled.

    *Source*: /sys/fs/selinux/enforce, /etc/selinux/config (selinux_config(5)), and /proc/self/attr/current, which is
    "kernel" until a policy is loaded. *Units*: none. *Absent when*: never; without SELinux only node_selinux_enabled 0.
    *Cost*: three reads.
    """

    name: ClassVar[str] = "selinux"
    metrics: ClassVar[tuple[Metric, ...]] = (ENABLED, CONFIGURED, CURRENT)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._enforce = host.sys("fs/selinux/enforce")
        self._label = host.proc("self/attr/current")
        self._config = host.root("/etc/selinux/config")

    def collect(self) -> list[Family]:
        self.left_out = 0
        # selinuxfs is no sysfs: it is opened at each read, and where it is not mounted that is all there is to do.
        if not self._host.exists(self._enforce) or self._read(self._label).rstrip(b"\0\n") == NO_POLICY:
            return [single(ENABLED, 0)]
        families = [single(ENABLED, 1), single(CONFIGURED, parse_config(self._read(self._config)))]
        state = STATES.get(self._read(self._enforce).strip())
        if state is None:
            self.left_out = 1
            return families
        return [*families, single(CURRENT, state)]

    def _read(self, path: str) -> bytes:
        try:
            return self._host.read(path)
        except (Absent, Malformed, OSError):
            return b""


def build(host: Host, settings: Settings) -> SelinuxCollector:
    return SelinuxCollector(host)
