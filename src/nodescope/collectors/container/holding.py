"""Who holds the devices of the node, by the newest snapshots of GPUs, RDMA devices and DRM nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from nodescope import collectors
from nodescope.collectors.joined import Loop
from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.devices.process_names import Users
from nodescope.host import Host
from nodescope.ownership.allocated import Allocated
from nodescope.ownership.claims import Claims, claims
from nodescope.ownership.devices import Devices
from nodescope.ownership.ledger import Ledger
from nodescope.ownership.mig_minors import read_mig_minors
from nodescope.ownership.process_owner import Containers, holders_of_devices, owners
from nodescope.records.container import Container
from nodescope.records.dri import DriDevice
from nodescope.records.gpu_snapshot import Gpu, GpuInstance, GpuProcess
from nodescope.records.kinds import of_kind
from nodescope.records.rdma import RdmaDevice

RDMA: Final = "nodescope.collectors.rdma.source"
DRI: Final = "nodescope.collectors.dri_source"
SOURCES: Final = (*collectors.ALL_GPUS, RDMA)


class Holding(NamedTuple):
    """`loops`: those of `SOURCES` that run here, whoever started them. `dri`: tells of DRM nodes, by which AMD's device
    plugin names partitions. `ledger`: is told who there is.
    """

    host: Host
    processes: ProcessCgroups
    users: Users
    ledger: Ledger
    loops: Callable[[], Sequence[Loop]]
    dri: Callable[[], Loop]

    def claims(self, containers: Sequence[Container], pod_devices: Iterable[Allocated]) -> Claims:
        """All claims; none where no device is known."""
        records = [record for loop in self.loops() if loop.snapshot for record in loop.snapshot.records]
        gpus = [gpu.identity for gpu in of_kind(records, Gpu)]
        rdma = of_kind(records, RdmaDevice)
        found = Claims()
        if gpus or rdma:
            parts = of_kind(records, GpuInstance)
            dri = self._dri() if any(part.identity.vendor == "amd" for part in parts) else []
            devices = Devices(gpus, [part.instance for part in parts], rdma, dri, read_mig_minors(self.host))
            processes = of_kind(records, GpuProcess)
            whose = owners(processes, self.processes, Containers(containers), user_name=self.users.name)
            found = claims(containers, devices, pod_devices, holders_of_devices(processes, whose))
        self.ledger.tell(containers, found.claims)
        return found

    def _dri(self) -> list[DriDevice]:
        loop = self.dri()
        loop.start()
        return of_kind(loop.snapshot.records, DriDevice) if loop.snapshot else []
