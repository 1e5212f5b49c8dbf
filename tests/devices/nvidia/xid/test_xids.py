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
