"""Kernel identification."""

from __future__ import annotations

import os
from typing import ClassVar, Final

from nodescope.host import Absent, Host, text
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

INFO: Final = Metric(
    "node_uname_info",
    "gauge",
    "Labeled system information as provided by the uname system call.",
    ("sysname", "release", "version", "machine", "nodename", "domainname"),
)
NO_DOMAIN: Final = b"(none)"


class UnameCollector:
    """What uname(2) says of the kernel and the node's name.

    *Source*: uname(2); its domain name from /proc/sys/kernel/domainname, "(none)" as the kernel has it where that is
    not there. *Absent when*: never. *Cost*: one system call, one read.
    """

    name: ClassVar[str] = "uname"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._domain_path = host.proc("sys/kernel/domainname")
        self._said: tuple[os.uname_result, bytes] | None = None
        self._families: list[Family] = []

    def collect(self) -> list[Family]:
        said = os.uname(), self._domain()
        if said != self._said:
            kernel, domain = self._said = said
            named = (kernel.sysname, kernel.release, kernel.version, kernel.machine, kernel.nodename)
            labels = (*(text(os.fsencode(name)) for name in named), text(domain))
            self._families = [Family(INFO, [(labels, 1)])]
        return self._families

    def _domain(self) -> bytes:
        try:
            return self._host.read(self._domain_path, at_once=True).rstrip(b"\n")
        except Absent:
            return NO_DOMAIN


def build(host: Host, settings: Settings) -> UnameCollector:
    return UnameCollector(host)
