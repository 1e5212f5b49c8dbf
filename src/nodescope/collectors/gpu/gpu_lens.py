"""GPUs under the names of Primus-Lens' node-exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop, failed
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_lens import PROFILE
from nodescope.records.gpu_snapshot import Gpu
from nodescope.records.lens import LensGpu
from nodescope.settings import Settings


class GpuLensCollector:
    """What Primus-Lens shows of GPUs, of every vendor.

    *Source*: the newest snapshot of each vendor's sampler. *Units*: percent, watts, what Lens calls Mb/s. *Absent
    when*: there is no driver; a value that the GPU does not tell, which Lens shows as 0. *Cost*: see `Shown`.
    `left_out`: vendors whose sampler failed.
    """

    name: ClassVar[str] = "gpu_lens"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = failed(self._loop)
        return self._shown.families(snapshot, made)


def made(records: Iterable[Any]) -> Iterator[LensGpu]:
    """The GPUs. Where two vendors have the same index, all are counted through, in the order of the vendors."""
    gpus: list[Gpu] = [record for record in records if type(record) is Gpu]
    indexes = [gpu.identity.index for gpu in gpus]
    unique = None not in indexes and len(set(indexes)) == len(indexes)
    for number, gpu in enumerate(gpus):
        identity = gpu.identity if unique else msgspec.structs.replace(gpu.identity, index=number)
        yield LensGpu(identity=identity, reading=gpu.reading)


def build(host: Host, settings: Settings, loop: Loop) -> GpuLensCollector:
    return GpuLensCollector(loop)
