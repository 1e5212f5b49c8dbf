"""Files as a kernel of today prints them, each understood to its last line.

`tests/fixtures/kernel-6.18` was read off a virtual machine of two CPUs; the simulated machine has the shapes of kernel
6.8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from nodescope import collectors, configuration
from nodescope.host import Host

FOLDER: Final = Path(__file__).resolve().parents[2] / "fixtures/kernel-6.18"

# Collector -> how many families and rows that kernel's files hold for it.
EXPECTED: Final = {
    "arp": (1, 1),
    "buddyinfo": (1, 33),
    "cgroups": (2, 24),
    "conntrack": (10, 10),
    "cpu": (2, 20),
    "diskstats": (18, 18),
    "entropy": (2, 2),
    "filefd": (2, 2),
    "interrupts": (1, 66),
    "kernel_hung": (1, 1),
    "lnstat": (17, 34),
    "loadavg": (3, 3),
    "meminfo": (48, 48),
    "netdev": (16, 64),
    "netstat": (42, 42),
    "pressure": (5, 5),
    "slabinfo": (5, 60),
    "sockstat": (20, 20),
    "softirqs": (1, 20),
    "softnet": (7, 14),
    "stat": (6, 6),
    "udp_queues": (1, 4),
    "vmstat": (7, 7),
    "zoneinfo": (37, 95),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_line_of_kernel_6_18_is_understood(name: str) -> None:
    """Nothing is left out, and the families and rows are those that the files hold."""
    settings = configuration.load({"collector.arp.netlink": False, "collector.netdev.netlink": False}, {})
    host = Host(*(str(FOLDER / root) for root in ("proc", "sys", "", "udev")))
    collector = collectors.build(name, host, settings)
    families = list(collector.collect())
    assert (len(families), sum(len(family.rows) for family in families)) == EXPECTED[name]
    assert collector.left_out == 0
