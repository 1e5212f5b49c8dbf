"""The rules on RDMA ports, PCIe links, NVMe and memory modules, as tables; their inputs are in `link_inputs`.

Sources: InfiniBand Architecture Specification (port states, PortCounters), ibcheckerrors(8) of infiniband-diags, whose
limits are those of an hour here, PCI Express Base Specification (link status, AER), drivers/nvme/host/core.c (states of
a controller), NVM Express Base Specification (asymmetric namespace access), Documentation/admin-guide/RAS/main.rst
(memory errors).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.health.rule import CRITICAL, WARNING, Rule, Unread
from nodescope.health.thresholds import Threshold

RDMA: Final = "rdma"
PCIE: Final = "pcie"
NVME: Final = "nvme"
NVME_PATHS: Final = "nvme_paths"
MEMORY: Final = "memory"

_CABLE: Final = "look at cable and transceiver at both ends and at the switch's port (rdma link show {device}); "
_DRIVE: Final = "look at the kernel log and at nvme list-subsys; "
_WAIT: Final = _DRIVE + "if it does not come back, reset it (nvme reset) or replace it"
_TARGET: Final = _DRIVE + "over a fabric, look at the network to {transport_address} and at the target"
_SLOT: Final = "{slot}); look at the kernel log for EDAC and machine checks, and at ras-mc-ctl --errors"


class _Counter(NamedTuple):
    """An error counter of a port, how many in an hour are a warning, and what they are in a sentence."""

    name: str
    limit: int
    what: str


COUNTERS: Final[tuple[_Counter, ...]] = (
    _Counter("symbol_error", 10, "symbols with errors"),
    _Counter("link_error_recovery", 1, "recoveries of the link"),
    _Counter("link_downed", 1, "losses of the link"),
    _Counter("port_rcv_errors", 10, "packets received with errors"),
    _Counter("port_rcv_remote_physical_errors", 100, "packets that were bad before they came here"),
    _Counter("port_xmit_discards", 100, "packets discarded instead of sent"),
    _Counter("local_link_integrity_errors", 10, "integrity errors of the link"),
    _Counter("excessive_buffer_overrun_errors", 10, "overruns of the receive buffer"),
    _Counter("rx_icrc_encapsulated", 1, "RoCE packets with a wrong checksum"),
    _Counter("local_ack_timeout_err", 100, "acknowledgements that never came"),
    _Counter("req_transport_retries_exceeded", 1, "connections given up after all retries"),
)
"""Names are those of files in counters and hw_counters. What counts in ordinary operation too is not among them:
retransmissions, and port_rcv_switch_relay_errors, which multicast alone raises."""

LINK_DOWNED_CRITICAL: Final = "link_downed_critical_last_hour"

THRESHOLDS: Final[tuple[Threshold, ...]] = (
    *(Threshold(f"{one.name}_last_hour", one.limit, f"Port: {one.what} within an hour.") for one in COUNTERS),
    Threshold(LINK_DOWNED_CRITICAL, 10, "Port: losses of the link within an hour that are critical."),
    Threshold("port_initializing_seconds", 60, "Port: how long a subnet manager may take to activate it."),
    Threshold("port_rate_percent", 100, "Port: share of the rate of its like below which to warn."),
    # As for GPUs: some machines have slots with fewer lanes than both ends claim.
    Threshold("link_width_percent", 100, "PCIe: share of the lanes that both ends can have below which to warn."),
    Threshold("link_width_critical_percent", 25, "PCIe: share of the lanes that is critical."),
    Threshold("link_speed_percent", 100, "PCIe: share of the speed that both ends can have below which to warn."),
    Threshold("link_speed_seconds", 60, "PCIe: how long a network card or drive may be slower."),
    Threshold("aer_correctable_last_hour", 480, "PCIe: corrected errors within an hour, from which on to warn."),
    Threshold("aer_nonfatal_last_hour", 1, "PCIe: uncorrected errors within an hour, from which on to warn."),
    Threshold("aer_fatal_last_hour", 1, "PCIe: fatal errors within an hour that are critical."),
    Threshold("memory_correctable_last_hour", 10, "Memory: corrected errors within an hour, from which on to warn."),
    Threshold("memory_uncorrectable_last_hour", 1, "Memory: uncorrected errors within an hour that are critical."),
    Threshold("memory_uncorrectable", 1, "Memory: uncorrected errors since boot, from which on to warn."),
    Threshold("nvme_not_live_seconds", 60, "NVMe: how long a controller may reset or connect before it is critical."),
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    RDMA: (
        Rule(
            RDMA,
            "went_down",
            "==",
            1,
            CRITICAL,
            "the port was up and is down",
            _CABLE + "drain the node if its jobs need this port",
            ("state", "physical_state"),
            topic="down",
        ),
        Rule(
            RDMA,
            "down_unlike_peers",
            "==",
            1,
            WARNING,
            "the port is down, while {peers_up} of {peers} others like it are up",
            _CABLE + "if it is not meant to be used, nothing is wrong",
            ("state", "physical_state"),
            topic="down",
        ),
        Rule(
            RDMA,
            "initializing",
            "==",
            1,
            WARNING,
            "the port's link is up and no subnet manager has activated it",
            "see that a subnet manager runs on this fabric (sminfo), and that it knows this port",
            ("state", "sm_lid"),
            "port_initializing_seconds",
        ),
        Rule(
            RDMA,
            "rate_percent",
            "<",
            "port_rate_percent",
            WARNING,
            "the port runs at {rate_gigabits_per_second} Gb/s, others like it at {usual_rate_gigabits_per_second} Gb/s",
            _CABLE + "a cable or a port that lost a lane is slower",
        ),
        Rule(
            RDMA,
            "link_downed_last_hour",
            ">=",
            LINK_DOWNED_CRITICAL,
            CRITICAL,
            "the link was lost {link_downed_last_hour} times within an hour",
            "drain the node; " + _CABLE + "replace the cable first",
            topic="link_downed",
        ),
        *(
            Rule(
                RDMA,
                f"{one.name}_last_hour",
                ">=",
                f"{one.name}_last_hour",
                WARNING,
                f"{one.what} within the last hour: {{{one.name}_last_hour}}",
                _CABLE + "replace the cable if they keep coming",
                topic=one.name,
            )
            for one in COUNTERS
        ),
    ),
    PCIE: (
        Rule(
            PCIE,
            "gone",
            "==",
            1,
            CRITICAL,
            "the device ({kind} {names}) is no longer on the PCI bus",
            "if it was not taken out on purpose: look at the kernel log (AER, pciehp), drain the node and reboot it",
        ),
        Rule(
            PCIE,
            "width_percent",
            "<=",
            "link_width_critical_percent",
            CRITICAL,
            "only {link_width_lanes} of {expected_width_lanes} PCIe lanes are in use",
            "drain the node and reseat the device or its riser; look at the slot with lspci -vv -s {address}",
            ("names", "port"),
            topic="width",
        ),
        Rule(
            PCIE,
            "width_percent",
            "<",
            "link_width_percent",
            WARNING,
            "only {link_width_lanes} of {expected_width_lanes} PCIe lanes are in use",
            "reseat the device or its riser at the next occasion; look at the slot with lspci -vv -s {address}",
            ("names", "port"),
            topic="width",
        ),
        Rule(
            PCIE,
            "speed_percent",
            "<",
            "link_speed_percent",
            WARNING,
            "the PCIe link runs at {link_speed} of {expected_speed} GT/s",
            "see that the BIOS does not limit the slot; reseat the device or its riser at the next occasion",
            ("names", "port"),
            "link_speed_seconds",
        ),
        *(
            Rule(
                PCIE,
                f"aer_{severity}_last_hour",
                ">=",
                f"aer_{severity}_last_hour",
                state,
                f"{what} PCIe errors within the last hour: {{aer_{severity}_last_hour}}",
                "look at the kernel log for AER, reseat the device or its riser; lspci -vv -s {address}",
                ("names", f"aer_{severity}_errors"),
            )
            for severity, state, what in (
                ("correctable", WARNING, "corrected"),
                ("nonfatal", WARNING, "uncorrected"),
                ("fatal", CRITICAL, "fatal"),
            )
        ),
    ),
    NVME: (
        Rule(
            NVME,
            "state",
            "is",
            "dead",
            CRITICAL,
            "the kernel has given the controller up",
            _DRIVE + "its data cannot be reached; power-cycle or replace it",
            ("transport", "transport_address"),
        ),
        *(
            Rule(
                NVME,
                "state",
                "is",
                state,
                level,
                f"the controller {what}" + (" for too long" if lasting else ""),
                action,
                ("transport", "transport_address"),
                lasting,
            )
            for state, what, action in (
                ("connecting", "has lost its connection and tries to connect again", _TARGET),
                ("resetting", "is being reset", _WAIT),
                ("new", "has not come up", _WAIT),
            )
            for level, lasting in ((CRITICAL, "nvme_not_live_seconds"), (WARNING, 0.0))
        ),
        *(
            Rule(NVME, "state", "is", state, WARNING, "the controller is being removed", _WAIT, ("transport",))
            for state in ("deleting", "deleting (no IO)")
        ),
    ),
    NVME_PATHS: (
        Rule(
            NVME_PATHS,
            "namespaces_without_path",
            ">=",
            1,
            CRITICAL,
            "namespaces that no path leads to: {namespaces_without_path}, the first {unreachable_namespace}",
            "look at nvme list-subsys and at the target: what uses them waits or has failed",
            ("controllers_live", "controllers_expected"),
            topic="paths",
        ),
        Rule(
            NVME_PATHS,
            "controllers_missing",
            ">=",
            1,
            WARNING,
            "only {controllers_live} of {controllers_expected} controllers of the subsystem are live",
            "look at nvme list-subsys and at the network to the target; nothing may fail any more",
            topic="paths",
        ),
        Rule(
            NVME_PATHS,
            "namespaces_not_optimized",
            ">=",
            1,
            WARNING,
            "namespaces that are reached by detours alone: {namespaces_not_optimized}",
            "look at nvme list-subsys and at the target's ports, one of which may have failed over",
        ),
    ),
    MEMORY: (
        Rule(
            MEMORY,
            "uncorrectable_last_hour",
            ">=",
            "memory_uncorrectable_last_hour",
            CRITICAL,
            "memory errors within the last hour that could not be corrected: {uncorrectable_last_hour}",
            "drain the node and replace the memory module (" + _SLOT,
            ("slot", "uncorrectable_errors"),
            topic="uncorrectable",
        ),
        Rule(
            MEMORY,
            "uncorrectable_errors",
            ">=",
            "memory_uncorrectable",
            WARNING,
            "memory errors since the node was booted that could not be corrected: {uncorrectable_errors}",
            "replace the memory module at the next occasion (" + _SLOT,
            ("slot",),
            topic="uncorrectable",
        ),
        Rule(
            MEMORY,
            "correctable_last_hour",
            ">=",
            "memory_correctable_last_hour",
            WARNING,
            "corrected memory errors within the last hour: {correctable_last_hour}",
            "replace the memory module if they keep coming (" + _SLOT,
            ("slot", "correctable_errors"),
        ),
    ),
}
UNREAD: Final[Mapping[str, tuple[Unread, ...]]] = {
    RDMA: (Unread(RDMA, "port_state", "the port's state cannot be read", "look at the kernel log and at rdma link"),),
    NVME: (Unread(NVME, "state", "the controller's state cannot be read", "look at the kernel log and at nvme list"),),
    PCIE: (),
    NVME_PATHS: (),
    MEMORY: (),
}
