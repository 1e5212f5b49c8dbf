"""Calls to the NFS server."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.rpc_stats import Line, RpcStats, Shown, procedures
from nodescope.host import Host
from nodescope.metric import Family, Metric, MetricType
from nodescope.settings import Settings


def _metric(name: str, help: str, labels: tuple[str, ...] = (), type: MetricType = "counter") -> Metric:
    return Metric(f"node_nfsd_{name}", type, help, labels)


HITS: Final = _metric("reply_cache_hits_total", "Total number of NFSd Reply Cache hits (client lost server response).")
MISSES: Final = _metric(
    "reply_cache_misses_total", "Total number of NFSd Reply Cache an operation that requires caching (idempotent)."
)
NOCACHE: Final = _metric(
    "reply_cache_nocache_total", "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…)."
)
STALE: Final = _metric("file_handles_stale_total", "Total number of NFSd stale file handles")
READ: Final = _metric("disk_bytes_read_total", "Total NFSd bytes read.")
WRITTEN: Final = _metric("disk_bytes_written_total", "Total NFSd bytes written.")
THREADS: Final = _metric("server_threads", "Total number of NFSd kernel threads that are running.", type="gauge")
CACHE: Final = _metric("read_ahead_cache_size_blocks", "How large the read ahead cache is in blocks.", type="gauge")
NOT_FOUND: Final = _metric("read_ahead_cache_not_found_total", "Total number of NFSd read ahead cache not found.")
PACKETS: Final = _metric("packets_total", "Total NFSd network packets (sent+received) by protocol type.", ("proto",))
CONNECTIONS: Final = _metric("connections_total", "Total number of NFSd TCP connections.")
ERRORS: Final = _metric("rpc_errors_total", "Total number of NFSd RPC errors by error type.", ("error",))
RPCS: Final = _metric("server_rpcs_total", "Total number of NFSd RPCs.")
REQUESTS: Final = _metric("requests_total", "Total number NFSd Requests by method and protocol.", ("proto", "method"))

V2: Final = (
    "- GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir RmDir ReadDir"
    " FsStat"
)
V3: Final = (
    "- GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename Link ReadDir"
    " ReadDirPlus FsStat FsInfo PathConf Commit"
)
V4: Final = (
    "- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku Lookup LookupRoot"
    " Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir ReadLink Remove Rename Renew RestoreFH SaveFH"
    " SecInfo SetAttr SetClientID SetClientIDConfirm Verify Write RelLockOwner"
)

LINES: Final = {
    b"rc": Line(3, (Shown(0, HITS), Shown(1, MISSES), Shown(2, NOCACHE))),
    b"fh": Line(5, (Shown(0, STALE),)),
    b"io": Line(2, (Shown(0, READ), Shown(1, WRITTEN))),
    # Behind the first two stand shares of time, which are no longer counted.
    b"th": Line(2, (Shown(0, THREADS),), more=True),
    b"ra": Line(12, (Shown(0, CACHE), Shown(11, NOT_FOUND))),
    b"net": Line(4, (Shown(1, PACKETS, ("udp",)), Shown(2, PACKETS, ("tcp",)), Shown(3, CONNECTIONS))),
    b"rpc": Line(
        5,
        (
            Shown(0, RPCS),
            Shown(2, ERRORS, ("fmt",)),
            Shown(3, ERRORS, ("auth",)),
            Shown(4, ERRORS, ("cInt",)),
        ),
    ),
    b"proc2": Line(18, procedures(REQUESTS, "2", V2), procedures=True),
    b"proc3": Line(22, procedures(REQUESTS, "3", V3), procedures=True),
    b"proc4": Line(2, (), procedures=True),
    b"proc4ops": Line(39, procedures(REQUESTS, "4", V4), procedures=True),
    b"wdeleg_getattr": Line(1, (Shown(0, REQUESTS, ("4", "WdelegGetattr")),), more=True),
}


class NfsdCollector:
    """What clients have asked of the NFS server on this machine.

    *Source*: /proc/net/rpc/nfsd, nfsstat(8). *Units*: calls, packets, bytes, threads. Procedures and versions of NFS
    that the kernel does not know were never called: they are 0. *Absent when*: the kernel has no NFS server, or it is
    not loaded. *Cost*: one read.
    """

    name: ClassVar[str] = "nfsd"
    metrics: ClassVar[tuple[Metric, ...]] = (
        HITS, MISSES, NOCACHE, STALE, READ, WRITTEN, THREADS, CACHE, NOT_FOUND, PACKETS, CONNECTIONS, ERRORS, RPCS,
        REQUESTS,
    )  # fmt: skip
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._stats = RpcStats(host, host.proc("net/rpc/nfsd"), LINES)

    def collect(self) -> list[Family]:
        families = self._stats.collect()
        self.left_out = self._stats.left_out
        return families


def build(host: Host, settings: Settings) -> NfsdCollector:
    return NfsdCollector(host)
