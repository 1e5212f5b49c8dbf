"""Collector bonding: the slaves of bonded network devices."""

from __future__ import annotations

import os
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file_name import shown
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_MASTERS: Final = 1024
MAX_SLAVES: Final = 1024

SLAVES: Final = Metric(
    "node_bonding_slaves", "gauge", "Number of configured slaves per bonding interface.", ("master",)
)
ACTIVE: Final = Metric("node_bonding_active", "gauge", "Number of active slaves per bonding interface.", ("master",))

# The kernel's last word where the names do not fit into a page.
_AND_MORE: Final = b"++more++"


def parse_names(data: bytes, most: int) -> tuple[list[bytes], int]:
    """Names of devices, with blanks between them, each once; and how many words are no such name, or too many."""
    words = data.split()
    names = dict.fromkeys(word for word in words if b"/" not in word and word not in (b".", b"..", _AND_MORE))
    kept = list(names)[:most]
    return kept, len(words) - len(kept)


class BondingCollector:
    """How many slaves each bond has, and how many of them are up.

    *Source*: /sys/class/net/bonding_masters, /sys/class/net/MASTER/bonding/slaves and lower_SLAVE (before Linux 3.8
    slave_SLAVE) /bonding_slave/mii_status, Documentation/networking/bonding.rst. *Units*: devices. *Absent when*: the
    driver is not loaded; a bond whose slaves cannot be read; how many are up, where one slave does not say. *Cost*: one
    read, one for each bond and one for each slave.
    """

    name: ClassVar[str] = "bonding"
    metrics: ClassVar[tuple[Metric, ...]] = (SLAVES, ACTIVE)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/net")
        self._masters = f"{self._folder}/bonding_masters"

    def collect(self) -> list[Family]:
        masters, self.left_out = parse_names(self._host.read(self._masters, built_in=True), MAX_MASTERS)
        slaves: list[Row] = []
        active: list[Row] = []
        for raw in masters:
            master = os.fsdecode(raw)
            try:
                names = self._slaves(master)
            except (Absent, OSError, Malformed):
                self.left_out += 1
                continue
            label = (shown(master),)
            slaves.append((label, len(names)))
            up = self._up(master, names)
            if up is not None:
                active.append((label, up))
        return [Family(metric, rows) for metric, rows in ((SLAVES, slaves), (ACTIVE, active)) if rows]

    def _slaves(self, master: str) -> list[bytes]:
        names, left_out = parse_names(self._host.read(f"{self._folder}/{master}/bonding/slaves"), MAX_SLAVES)
        self.left_out += left_out
        return names

    def _up(self, master: str, slaves: list[bytes]) -> int | None:
        """How many slaves are up; None where one does not say, each of which is counted as left out."""
        states = [self._state(master, os.fsdecode(slave)) for slave in slaves]
        silent = states.count(None)
        self.left_out += silent
        return None if silent else states.count(b"up")

    def _state(self, master: str, slave: str) -> bytes | None:
        for prefix in ("lower", "slave"):
            try:
                return self._host.read(f"{self._folder}/{master}/{prefix}_{slave}/bonding_slave/mii_status").strip()
            except Absent:
                continue
            except (OSError, Malformed):
                return None
        return None


def build(host: Host, settings: Settings) -> BondingCollector:
    return BondingCollector(host)
