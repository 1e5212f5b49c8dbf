"""The one sampler of the kubelet's pods, built from the settings."""

from __future__ import annotations

from collections.abc import Sequence

from nodescope.collectors import ALL_GPUS
from nodescope.collectors.joined import Loop
from nodescope.collectors.kubelet.access import GRACE_S, access
from nodescope.collectors.parts import Parts
from nodescope.containers.kubelet.gpu_resources import NodeGpus
from nodescope.containers.kubelet.samplers import PodsSampler
from nodescope.records.gpu_snapshot import Gpu, GpuInstance
from nodescope.sampling import SamplerLoop


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of pods. The node's GPUs are those that samplers of GPUs which run
    for others have found."""
    settings = parts.settings
    node, interval_s = settings["collector.kubelet.node-name"], settings["collector.kubelet.interval"]

    def gpus() -> NodeGpus | None:
        return gpus_of([parts.loops[module] for module in ALL_GPUS if module in parts.loops])

    sampler = PodsSampler(access(settings), interval_s, node, gpus)
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def gpus_of(loops: Sequence[Loop]) -> NodeGpus | None:
    """The GPUs in the newest snapshots, those that do not answer included; None before there is any snapshot."""
    snapshots = [snapshot for loop in loops if (snapshot := loop.snapshot) is not None]
    if not snapshots:
        return None
    records = [record for snapshot in snapshots for record in snapshot.records]
    whole = {(gpu.identity.vendor, gpu.identity.uuid) for gpu in records if type(gpu) is Gpu}
    partitions = [(one.identity.vendor, one.identity.uuid) for one in records if type(one) is GpuInstance]
    parts = {}
    for vendor in {vendor for vendor, _ in partitions}:
        of_vendor = {gpu for gpu in whole if gpu[0] == vendor}
        if of_vendor and of_vendor <= set(partitions):
            parts[vendor] = len(of_vendor) / sum(partition[0] == vendor for partition in partitions)
    return NodeGpus(len(whole), parts)
