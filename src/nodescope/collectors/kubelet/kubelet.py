"""Pods, their GPUs and their local storage, from the kubelet."""

from __future__ import annotations

from typing import ClassVar

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.joined import Loop, failed
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.kubelet_native import PROFILE
from nodescope.records.kubelet import KubeletSource
from nodescope.sampler import Snapshot
from nodescope.settings import Settings


class KubeletCollector:
    """How many pods are in each phase, GPUs that each requests and may use, how many of the node's GPUs are given away,
    local storage of the node and of each pod.

    *Source*: the newest snapshots of the kubelet's samplers, `/pods` and `/stats/summary`. *Units*: pods, GPUs, bytes,
    percent (0 to 100). *Absent when*: no address of a kubelet is given; it does not answer; the allocation rate where
    GPUs are given away and it is not known how many there are; a number that the kubelet does not tell. *Cost*: nothing
    at scrape but the text. `left_out`: pods that were not as documented, and a sampler that failed beside one that did
    not.
    """

    name: ClassVar[str] = "kubelet"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._shown = Shown(PROFILE)

    def collect(self) -> list[Family]:
        snapshot = self._loop.fresh()
        self.left_out = left_out(snapshot) + failed(self._loop)
        return self._shown.families(snapshot)


def left_out(snapshot: Snapshot) -> int:
    """What of the kubelet's answers could not be used."""
    return sum(record.left_out for record in snapshot.records if type(record) is KubeletSource)


def build(host: Host, settings: Settings, loop: Loop) -> KubeletCollector:
    return KubeletCollector(loop)
