"""What the kubelet tells, under the names of Primus-Lens' node-exporter."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop, failed
from nodescope.collectors.kubelet.kubelet import left_out
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.kubelet_lens import PROFILE
from nodescope.settings import Settings


class KubeletLensCollector:
    """How many of the node's GPUs are given away, local storage of the node and of each pod, as Primus-Lens shows them.

    *Source*, *absent when*, *cost*, `left_out`: as of `KubeletCollector`. *Units*: bytes; percent of GPUs (0 to 100);
    what is called percent of storage is a ratio (0 to 1), as it is there.
    """

    name: ClassVar[str] = "kubelet_lens"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = left_out(snapshot) + failed(self._loop)
        return self._shown.families(snapshot)


def build(host: Host, settings: Settings, loop: Loop) -> KubeletLensCollector:
    return KubeletLensCollector(loop)
