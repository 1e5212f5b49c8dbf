"""NVIDIA GPUs under dcgm-exporter's names."""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.gpu.dcgm_entities import DcgmEntities
from nodescope.collectors.joined import Loop
from nodescope.collectors.newest import Newest
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file import read_stored
from nodescope.metric import Family, Metric
from nodescope.profiles.dcgm import DEFAULT_NAMING, Naming, Selection, default_selection, labelled
from nodescope.records.dcgm import DcgmEntity
from nodescope.records.gpu_pod import GpuPod
from nodescope.sampler import Snapshot
from nodescope.settings import Settings, SettingsError

FIELDS_KEY: Final = "collector.gpu_dcgm.fields"
NODE_NAME: Final = "NODE_NAME"
"""The environment name that gives the label Hostname, as dcgm-exporter has it; else the host's own name does."""

STOCK: Final = frozenset(f"/etc/dcgm-exporter/{name}.csv" for name in ("default-counters", "dcp-metrics-included"))
"""Files that are in dcgm-exporter's image, which many a deployment names."""

log = logging.getLogger(__name__)


class GpuDcgmCollector:
    """What dcgm-exporter shows of NVIDIA GPUs: its names, labels, units and quirks, without DCGM.

    *Source*: the newest snapshot of the GPU sampler. *Units*: DCGM's: MHz, degrees Celsius, watts, millijoules, MiB,
    percent, bytes a second; DCGM_FI_PROF_* ratios. *Absent when*: the driver is not loaded; a field that the GPU
    does not have; DCGM_FI_PROF_* before Hopper. A GPU that has MIG instances is shown as those. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_dcgm"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(labelled(default_selection(), instances=False))
    left_out: int = 0

    def __init__(self, loop: Loop, selection: Selection, hostname: str, naming: Naming = DEFAULT_NAMING) -> None:
        self._loop = loop
        self._entities = DcgmEntities(hostname, selection, naming.dashes)
        self._shown = {
            (instances, pods): Shown(labelled(selection, instances, naming._replace(pods=pods)))
            for instances in (False, True)
            for pods in ((False, True) if naming.pods else (False,))
        }
        self._newest = Newest()

    def collect(self) -> list[Family]:
        return self._newest.of(self._loop.fresh(), self._families)

    def _families(self, snapshot: Snapshot) -> list[Family]:
        families: list[Family] = []
        whole, parts = self._entities.made(snapshot.records)
        for instances, records in ((False, whole), (True, parts)):
            families += self._shown[instances, False].render(record for record in records if not _pod_of(record))
            if (instances, True) in self._shown:
                families += self._shown[instances, True].render(record for record in records if _pod_of(record))
        return families


def _pod_of(record: Any) -> GpuPod | None:
    entity: DcgmEntity = record if type(record) is DcgmEntity else record.entity
    return entity.pod


def selected(path: str) -> Selection:
    """What the counter file at `path` chooses, with a warning for each field that cannot be given.

    Where one of the files that dcgm-exporter's image has is named and not there, the default stands for it.
    """
    # Few have such a file.
    from nodescope.profiles.dcgm_selection import BadCounters, select

    try:
        selection = select(read_stored(path), path)
    except Absent:
        if path in STOCK:
            log.info("%s is not here: the fields of dcgm-exporter's default lists are shown", path)
            return default_selection()
        raise SettingsError(f"{FIELDS_KEY}: no file {path}, expected a counter file of dcgm-exporter") from None
    except OSError as error:
        raise SettingsError(f"{FIELDS_KEY}: {path} cannot be read: {error.strerror}") from error
    except (BadCounters, Malformed) as error:
        raise SettingsError(f"{FIELDS_KEY}: {error}") from None
    for name, why in selection.not_obtainable:
        log.warning("%s: %s is not given: %s", path, name, why)
    return selection


def build(host: Host, settings: Settings, loop: Loop) -> GpuDcgmCollector:
    path = settings[FIELDS_KEY]
    selection = selected(path) if path else default_selection()
    hostname = os.environ.get(NODE_NAME) or os.uname().nodename
    naming = Naming(
        pods=settings["collector.gpu_dcgm.kubernetes"],
        hostname=settings["collector.gpu_dcgm.hostname"],
        old=settings["collector.gpu_dcgm.old-labels"],
        dashes=settings["collector.gpu_dcgm.model-dashes"],
    )
    return GpuDcgmCollector(loop, selection, hostname, naming)
