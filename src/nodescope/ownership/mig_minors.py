"""Which MIG partition each /dev/nvidia-caps/nvidia-capN opens.

*Source*: /proc/driver/nvidia-caps/mig-minors, lines "gpu0/gi1/access 12" and "gpu0/gi1/ci0/access 13" (NVIDIA MIG user
guide, device nodes and capabilities). *Absent when*: no driver with MIG is loaded.
"""

from __future__ import annotations

import re
from typing import Final

from nodescope.host import Absent, Host
from nodescope.ownership.devices import MigPart

MIG_MINORS: Final = "driver/nvidia-caps/mig-minors"
MAX_LINES: Final = 65536
"""The driver lists all that there could be: 32 GPUs with 15 GPU instances of 8 compute instances."""

_LINE: Final = re.compile(rb"gpu([0-9]{1,3})/gi([0-9]{1,3})/(?:ci([0-9]{1,3})/)?access ([0-9]{1,6})\s*\Z")


def parse_mig_minors(data: bytes) -> dict[int, MigPart]:
    """Minor -> what it opens. Lines of other capabilities ("config 1", "monitor 2") and odd ones are left out."""
    found = {}
    for line in data.splitlines()[:MAX_LINES]:
        match = _LINE.match(line)
        if match:
            compute = None if match[3] is None else int(match[3])
            found[int(match[4])] = MigPart(int(match[1]), int(match[2]), compute)
    return found


def read_mig_minors(host: Host) -> dict[int, MigPart]:
    """What the driver says now; nothing where it has no MIG. It stays the same while the driver is loaded."""
    try:
        return parse_mig_minors(host.read_seldom(host.proc(MIG_MINORS)))
    except Absent:
        return {}
