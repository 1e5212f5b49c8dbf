"""Calls of the NFS client."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.rpc_stats import Line, RpcStats, Shown, procedures
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

PACKETS: Final = Metric(
    "node_nfs_packets_total",
    "counter",
    "Total NFSd network packets (sent+received) by protocol type.",
    ("protocol",),
)
CONNECTIONS: Final = Metric("node_nfs_connections_total", "counter", "Total number of NFSd TCP connections.")
RPCS: Final = Metric("node_nfs_rpcs_total", "counter", "Total number of RPCs performed.")
RETRANSMISSIONS: Final = Metric(
    "node_nfs_rpc_retransmissions_total", "counter", "Number of RPC transmissions performed."
)
REFRESHES: Final = Metric(
    "node_nfs_rpc_authentication_refreshes_total", "counter", "Number of RPC authentication refreshes performed."
)
REQUESTS: Final = Metric("node_nfs_requests_total", "counter", "Number of NFS procedures invoked.", ("proto", "method"))

V2: Final = (
    "Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir RmDir ReadDir"
    " FsStat"
)
V3: Final = (
    "Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename Link ReadDir"
    " ReadDirPlus FsStat FsInfo PathConf Commit"
)
# GetDeviceInfo and LayoutGet are as node_exporter has them; the kernel counts them the other way round.
V4: Final = (
    "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew SetClientID"
    " SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove Rename Link Symlink Create Pathconf"
    " StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL SetACL FsLocations ReleaseLockowner Secinfo FsidPresent"
    " ExchangeID CreateSession DestroySession Sequence GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet"
    " LayoutCommit LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession DestroyClientID"
    " Seek Allocate DeAllocate LayoutStats Clone"
)

LINES: Final = {
    b"net": Line(4, (Shown(1, PACKETS, ("udp",)), Shown(2, PACKETS, ("tcp",)), Shown(3, CONNECTIONS))),
    b"rpc": Line(3, (Shown(0, RPCS), Shown(1, RETRANSMISSIONS), Shown(2, REFRESHES))),
    b"proc2": Line(18, procedures(REQUESTS, "2", V2), procedures=True),
    b"proc3": Line(22, procedures(REQUESTS, "3", V3), procedures=True),
    b"proc4": Line(0, procedures(REQUESTS, "4", V4), procedures=True),
}


class NfsCollector:
    """What this machine has asked of NFS servers.

    *Source*: /proc/net/rpc/nfs, nfsstat(8). *Units*: packets, connections, calls. Procedures that the kernel does not
    know, and versions of NFS whose module it has not loaded, were never called: they are 0. *Absent when*: the kernel
    has no NFS client, or it is not loaded. *Cost*: one read.
    """

    name: ClassVar[str] = "nfs"
    metrics: ClassVar[tuple[Metric, ...]] = (PACKETS, CONNECTIONS, RPCS, RETRANSMISSIONS, REFRESHES, REQUESTS)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._stats = RpcStats(host, host.proc("net/rpc/nfs"), LINES)

    def collect(self) -> list[Family]:
        families = self._stats.collect()
        self.left_out = self._stats.left_out
        return families


def build(host: Host, settings: Settings) -> NfsCollector:
    return NfsCollector(host)
