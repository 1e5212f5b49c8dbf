"""What the XIDs of a GPU say of its health.

*Source*: the counts that are kept of XIDs, and NVIDIA's catalogue. An XID speaks of the component that its class is
about and of "xid"; for an hour, one that is critical for a day, and none from before the node was started or the GPU
was reset. Those that only follow another (43, 45, 154) say nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from nodescope.devices.nvidia.xid.catalog import Entry, entry
from nodescope.health.rule import CRITICAL, UNKNOWN, WARNING, Finding
from nodescope.records.gpu_snapshot import XidCount

RECENT_SECONDS: Final = 3600.0
CRITICAL_SECONDS: Final = 86400.0
NEVER_ALONE: Final = frozenset({43, 45, 154})
COMPONENT: Final = "xid"
MISSED: Final = "XIDs may be missing, for the kernel log could not be read"
TO_READ: Final = "run nodescope as root or with CAP_SYSLOG, and in a container give it the host's /dev/kmsg"

STATES: Final = {
    "critical": CRITICAL,
    "error": WARNING,
    "warning": WARNING,
    # Unless the kernel's line calls it fatal: see `_state`.
    "subcode": WARNING,
    "unknown": WARNING,
}
"""By severity. Others, "info" among them, say nothing."""

COMPONENTS: Final = {
    "c2c": "device",
    "driver": "driver",
    "gsp": "driver",
    "hw": "device",
    "inforom": "inforom",
    "memory": "memory",
    "microcontroller": "device",
    "nvlink": "nvlink",
    "nvlink5": "nvlink",
    "pcie": "pcie",
    "power": "power",
}
"""By class. Faults of programs and what is not known speak of "xid" alone."""

_FAULT: Final = {
    "app": "as a rule the program's fault and not the GPU's",
    "app_or_driver": "the program's or the driver's fault",
    "app_or_hw": "the program's fault or, where several programs meet it, the GPU's",
    "app_or_pcie": "the program's fault or that of the PCIe link",
}
_ACTIONS: Final = {
    "restart_app": "restart the program; if other programs meet it on this GPU too, drain the node and test the GPU "
    "(dcgmi diag -r 3)",
    "contact_vendor": "look at the kernel log around it; if it comes back, run nvidia-bug-report.sh and ask the vendor",
    "none": "look at the kernel log around it; if it comes back, drain the node and reset the GPU",
    "reset_gpu": "drain the node, stop the programs on the GPU, then nvidia-smi --gpu-reset -i {uuid}; if it comes "
    "back, have the GPU replaced",
    "reboot_node": "drain the node and reboot it; if it comes back, have the GPU, its seating and its power looked at",
    "check_power_cabling": "look at the GPU's power cables and connectors",
    "update_driver_or_firmware": "bring driver and firmware to versions that fit together",
    "restart_vm": "restart the virtual machine",
    "investigate_other_xid": "look for the XID before it in the kernel log",
    "depends_on_subcode": "read the words behind the number in the kernel log: a fatal one needs a reset of the GPU",
    "depends_see_note": "",
}
_OTHER_ACTION: Final = "look at the kernel log around it (dmesg -T) and at NVIDIA's catalogue of XIDs"
_GREATEST_TIME: Final = 4e9


def xid_findings(xids: Iterable[XidCount], uuid: str, now_seconds: float, since_seconds: float) -> list[Finding]:
    """Of one GPU's XIDs, at `now_seconds` (Unix time). `since_seconds`: those before count no more."""
    found = []
    for xid in xids:
        state = _state(xid, now_seconds, since_seconds)
        if state is None:
            continue
        known = entry(xid.xid)
        components = dict.fromkeys((COMPONENTS.get(xid.xid_class, COMPONENT), COMPONENT))
        found += [Finding(one, state, _reason(xid, known), _evidence(xid), _action(known, uuid)) for one in components]
    return found


def missed_findings(problem: str) -> list[Finding]:
    """That XIDs may be missing. `problem`: why, "" where they are not."""
    return [Finding(COMPONENT, UNKNOWN, MISSED, problem, TO_READ)] if problem else []


def _state(xid: XidCount, now_seconds: float, since_seconds: float) -> str | None:
    """What an XID says now, None for nothing. One that the kernel log called fatal is critical as long as any such."""
    if xid.xid in NEVER_ALONE or xid.count <= 0:
        return None
    if _is_recent(xid.fatal_seen_seconds, CRITICAL, now_seconds, since_seconds):
        return CRITICAL
    state = STATES.get(xid.severity)
    return state if _is_recent(xid.last_seen_seconds, state, now_seconds, since_seconds) else None


def _is_recent(seen_seconds: float | None, state: str | None, now_seconds: float, since_seconds: float) -> bool:
    patience_s = CRITICAL_SECONDS if state == CRITICAL else RECENT_SECONDS
    return seen_seconds is not None and seen_seconds >= max(now_seconds - patience_s, since_seconds)


def _reason(xid: XidCount, known: Entry) -> str:
    fault = _FAULT.get(xid.xid_class)
    return f"XID {xid.xid}, {known.summary}" + (f" ({fault})" if fault else "")


def _evidence(xid: XidCount) -> str:
    seen = xid.last_seen_seconds
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seen)) if 0 <= seen <= _GREATEST_TIME else f"{seen:g}"
    return f"xid={xid.xid} count={xid.count} last_seen={when}"


def _action(known: Entry, uuid: str) -> str:
    words = (_ACTIONS.get(known.action, _OTHER_ACTION).format(uuid=uuid), known.note)
    return "; ".join(word for word in words if word)
