"""XIDs of both sources, together."""

from __future__ import annotations

import time
from pathlib import Path

from nodescope.devices.nvidia.frame import Xid
from nodescope.devices.nvidia.xid.xids import Xids
from nodescope.host import Host
from nodescope.records.gpu import GpuIdentity

GPU = GpuIdentity(vendor="nvidia", uuid="GPU-1", index=0, pci_address="0000:18:00.0")


def test_an_event_is_counted_and_kept(tmp_path: Path) -> None:
    """An event of the library is counted and published, and the count is there after a restart."""
    kinds: list[str] = []
    host = Host(procfs=str(tmp_path / "proc"))
    for total in (1, 2):
        xids = Xids(host, str(tmp_path / "state/xids.json"), "", lambda kind, *_: kinds.append(kind))
        xids.identities((GPU,))
        xids.nvml(Xid(xid=94, time_seconds=time.time(), uuid="GPU-1"))
        (count,) = xids.records((GPU,))
        assert (count.xid, count.count, count.identity.uuid) == (94, total, "GPU-1")
        xids.close()
    assert len(kinds) == 2


def test_what_the_kernel_log_holds_is_in_the_first_counts(tmp_path: Path) -> None:
    """Who looks but once sees what is at the end of a long kernel log."""
    log = tmp_path / "kmsg"
    lines = [f"6,{number},1,-;NVRM: loading {number}" for number in range(50_000)]
    log.write_text("\n".join([*lines, "3,50000,1,-;NVRM: Xid (PCI:0000:18:00): 79, GPU has fallen off the bus.", ""]))
    xids = Xids(Host(), None, str(log), lambda *_: None)
    xids.identities((GPU,))
    assert [count.xid for count in xids.records((GPU,))] == [79]
    assert xids.problem == ""
    xids.close()


def test_a_kernel_log_that_cannot_be_read(tmp_path: Path) -> None:
    """That XIDs may be missing is told, but not where the kernel log was not to be read."""
    xids = Xids(Host(), None, str(tmp_path / "none"), lambda *_: None)
    assert xids.records((GPU,)) == ()
    assert "No such file" in xids.problem
    xids.close()
    assert Xids(Host(), None, "", lambda *_: None).problem == ""


def test_what_may_have_cost_xids_is_counted(tmp_path: Path) -> None:
    """A line of the driver that is no record, and an XID of no known device, are told by kind; else nothing is."""
    log = tmp_path / "kmsg"
    log.write_text("3,1,1,-;NVRM: Xid (PCI:0000:18:00): 79, GPU has fallen off the bus.\n")
    xids = Xids(Host(), None, str(log), lambda *_: None)
    xids.records((GPU,))
    assert xids.missed() == ()
    xids.nvml(Xid(xid=94, time_seconds=time.time(), uuid=""))
    xids.close()
    assert [(missed.kind, missed.count) for missed in xids.missed()] == [("uncounted", 1)]
    log.write_text("NVRM: no record\n")
    xids = Xids(Host(), None, str(log), lambda *_: None)
    xids.records((GPU,))
    xids.close()
    assert [(missed.kind, missed.count) for missed in xids.missed()] == [("malformed", 1)]
