"""NVIDIA GPUs under dcgm-exporter's names."""

from __future__ import annotations

import logging
from typing import Any, ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.gpu.dcgm_devices import FLEXIBLE, Devices, parse_devices
from nodescope.collectors.gpu.dcgm_entities import DcgmEntities
from nodescope.collectors.gpu.node_name import node_name
from nodescope.collectors.joined import Loop
from nodescope.collectors.newest import Newest
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file import read_stored
from nodescope.metric import Family, Metric
from nodescope.profiles.dcgm import (
    DEFAULT_NAMING,
    POD_LABELS,
    SHARE_LABELS,
    Naming,
    Selection,
    default_selection,
    labelled,
)
from nodescope.records.dcgm import DcgmEntity
from nodescope.sampler import Snapshot
from nodescope.settings import Settings, SettingsError

Labels = tuple[tuple[str, str], ...]
"""Names of labels, and the fields that they show."""

FIELDS_KEY: Final = "collector.gpu_dcgm.fields"
DEVICES_KEY: Final = "collector.gpu_dcgm.devices"
STOCK: Final = frozenset(f"/etc/dcgm-exporter/{name}.csv" for name in ("default-counters", "dcp-metrics-included"))
"""Files that are in dcgm-exporter's image, which many a deployment names."""

log = logging.getLogger(__name__)


class GpuDcgmCollector:
    """What dcgm-exporter shows of NVIDIA GPUs: its names, labels, units and quirks, without DCGM.

    *Source*: the newest snapshot of the GPU sampler. *Units*: DCGM's: MHz, degrees Celsius, watts, millijoules, MiB,
    percent, bytes a second; DCGM_FI_PROF_* ratios. *Absent when*: the driver is not loaded; a field that the GPU
    does not have; DCGM_FI_PROF_* before Hopper. A GPU that has MIG instances is shown as those, unless the setting
    `devices` says otherwise, but for such as the driver does not name. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_dcgm"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(labelled(default_selection(), instances=False))
    left_out: int = 0

    def __init__(
        self,
        loop: Loop,
        selection: Selection,
        hostname: str,
        naming: Naming = DEFAULT_NAMING,
        devices: Devices = FLEXIBLE,
    ) -> None:
        self._loop = loop
        self._entities = DcgmEntities(hostname, selection, naming, devices)
        self._shown = {
            (instances, of_pod): Shown(labelled(selection, instances, naming, of_pod))
            for instances in (False, True)
            for of_pod in _pod_labels(naming)
        }
        self._newest = Newest()

    def collect(self) -> list[Family]:
        return self._newest.of(self._loop.fresh(), self._families)

    def _families(self, snapshot: Snapshot) -> list[Family]:
        families: list[Family] = []
        whole, parts = self._entities.made(snapshot.records)
        self.left_out = self._entities.left_out
        for (instances, of_pod), view in self._shown.items():
            records = parts if instances else whole
            families += view.render(record for record in records if _labels_of(record) == of_pod)
        return families


def _pod_labels(naming: Naming) -> tuple[Labels, ...]:
    """The labels of pods that an entity may have: of none, of one's own, of one that shares it."""
    if not naming.pods:
        return ((),)
    return ((), POD_LABELS, SHARE_LABELS) if naming.shares else ((), POD_LABELS)


def _labels_of(record: Any) -> Labels:
    """The labels of the pod that an entity, or what is told of one, is shown with."""
    entity: DcgmEntity = record if type(record) is DcgmEntity else record.entity
    if entity.pod is None:
        return ()
    return SHARE_LABELS if entity.pod.share else POD_LABELS


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
    naming = Naming(
        pods=settings["collector.gpu_dcgm.kubernetes"],
        shares=settings["collector.gpu_dcgm.kubernetes"] and settings["collector.gpu_dcgm.virtual-gpus"],
        hostname=settings["collector.gpu_dcgm.hostname"],
        old=settings["collector.gpu_dcgm.old-labels"],
        dashes=settings["collector.gpu_dcgm.model-dashes"],
    )
    return GpuDcgmCollector(loop, selection, node_name(), naming, _devices(settings))


def _devices(settings: Settings) -> Devices:
    given = settings[DEVICES_KEY]
    try:
        return parse_devices(given)
    except ValueError as error:
        raise SettingsError(f"{DEVICES_KEY} ({settings.origin(DEVICES_KEY)}): {given!r}: {error}") from None
