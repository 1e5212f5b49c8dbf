"""What `amd-smi topology` and `amd-smi xgmi` tell of one GPU -> its XGMI links.

Source: `amd-smi topology --json` (type, status and bandwidth "least-most" in MB/s of the way to each GPU) and `amd-smi
xgmi --metric --json` (KiB read and written since the driver was loaded, rate of the links in Gbit/s). A link has the
number of the GPU that it leads to.
"""

from __future__ import annotations

import re
from typing import Any, Final

from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_values import at, kernel_address, number, small
from nodescope.records.gpu import LinkReading

MAX_LINKS: Final = 64
XGMI: Final = "xgmi"
KIBIBYTE: Final = 1024
MEGABYTES_OF_MEGABIT: Final = 8
ACTIVE: Final = {"enabled": 1, "up": 1, "u": 1, "disabled": 0, "down": 0, "d": 0}

_SPAN: Final = re.compile(r"[0-9]{1,9}-([0-9]{1,9})")


def links(topology: Entry, xgmi: Entry) -> tuple[LinkReading, ...]:
    """One for each GPU that this one has XGMI to."""
    ways = _by_gpu(topology.get("links"))
    counts = _by_gpu(at(xgmi, "link_metrics.links"))
    ours = small(topology.get("gpu", xgmi.get("gpu")))
    is_xgmi = str(at(xgmi, "link_metrics.link_type")).lower() == XGMI
    found = []
    for other in sorted({*ways, *counts} - {ours}):
        way, count = ways.get(other, {}), counts.get(other, {})
        kind = str(way.get("link_type") or way.get("type") or "").lower()
        read, written = number(count.get("read"), "bytes"), number(count.get("write"), "bytes")
        if kind == XGMI or (not kind and is_xgmi and read is not None):
            found.append(
                LinkReading(
                    link=other,
                    active=ACTIVE.get(str(way.get("link_status") or way.get("status")).lower()),
                    remote_type="gpu",
                    remote_pci_address=kernel_address(way.get("bdf") or count.get("bdf")),
                    speed_megabytes_per_second=_speed(way, xgmi),
                    rx_kibibytes=None if read is None else int(read) // KIBIBYTE,
                    tx_kibibytes=None if written is None else int(written) // KIBIBYTE,
                )
            )
    return tuple(found)


def _by_gpu(listed: Any) -> dict[int, Entry]:
    items = listed[:MAX_LINKS] if isinstance(listed, list) else ()
    return {
        other: item for item in items if isinstance(item, dict) and (other := small(item.get("gpu"))) is not None
    }  # fmt: skip


def _speed(way: Entry, xgmi: Entry) -> int | None:
    span = _SPAN.fullmatch(str(way.get("bandwidth")))
    if span is not None:
        return int(span[1]) or None
    greatest = number(at(xgmi, "link_metrics.max_bandwidth"), "megabits_per_second")
    return int(greatest) // MEGABYTES_OF_MEGABIT or None if greatest else None
