"""What nodescope's own collectors show of a simulated machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope import collectors, configuration
from nodescope.collector import Collector
from nodescope.host import Absent, Host
from nodescope.metric import Family
from nodescope.settings.host import HOST
from nodescope.simulate.tree import Roots
from tests.simulate.exposition import Rows

DEFAULT: Final = tuple(collects.name for collects in HOST if collects.on)
NOT_THERE: Final = frozenset(
    [
        "bcache",
        "bcachefs",
        "bonding",
        "btrfs",
        "fibrechannel",
        "infiniband",
        "ipvs",
        "mdadm",
        "nfs",
        "nfsd",
        "powersupplyclass",
        "tapestats",
        "zfs",
    ]
)
"""Default collectors of what the simulated machine does not have."""
NOTHING_TO_SHOW: Final = frozenset({"dmmultipath"})
"""Default collectors that find their folder, and nothing in it for them."""
ON_REQUEST: Final = (
    "buddyinfo",
    "cgroups",
    "cpu_vulnerabilities",
    "interrupts",
    "ksmd",
    "lnstat",
    "meminfo_numa",
    "nvmesubsystem",
    "slabinfo",
    "softirqs",
    "zoneinfo",
)
"""Collectors that are off by default, and have files here."""

# Netlink and adjtimex(2) would answer for the machine that runs the test.
SETTINGS: Final = configuration.load({"collector.arp.netlink": False, "collector.netdev.netlink": False}, {})


def built(roots: Roots, names: Iterable[str]) -> dict[str, Collector]:
    host = Host(*roots)
    return {name: collectors.build(name, host, SETTINGS) for name in names}


def shown(roots: Roots, families: Iterable[Family]) -> Rows:
    """Paths in labels are shown as they are on that machine."""
    root = roots.rootfs
    return {
        (
            family.metric.name,
            frozenset(zip(family.metric.label_names, (said.removeprefix(root) for said in labels), strict=True)),
        ): float(value)
        for family in families
        for labels, value in family.rows
    }


def differing(one: Rows, other: Rows) -> dict[object, object]:
    """The rows that are not in both alike: a short answer where whole expositions are compared."""
    return {key: (one.get(key), other.get(key)) for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def is_absent(collector: Collector) -> bool:
    try:
        collector.collect()
    except Absent:
        return True
    return False
