"""Adds to what is observed of GPUs which pods the kubelet gave them to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nodescope.collectors.joined import Loop
from nodescope.containers.pod_resources.client import PodDevices
from nodescope.devices.gpu_sampler import Observer
from nodescope.ownership.allocated import SHARED, meant
from nodescope.ownership.devices import RDMA, Device, Devices
from nodescope.records.gpu_pod import GpuPod
from nodescope.records.gpu_snapshot import Gpu, GpuInstance


class PodsObserver:
    """An observer, and what the kubelet said last. *Cost*: nothing while neither GPUs nor what was given change."""

    def __init__(self, pod_resources: Loop, observer: Observer) -> None:
        self._pod_resources = pod_resources
        self._observer = observer
        self._known: tuple[Any, ...] = ()
        self._pods: tuple[GpuPod, ...] = ()

    def sample(self) -> tuple[Any, ...]:
        """What is observed, and the pods. Raises what the observer raises."""
        records = self._observer.sample()
        self._pod_resources.start()
        snapshot = self._pod_resources.snapshot
        given = tuple(record for record in snapshot.records if type(record) is PodDevices) if snapshot else ()
        gpus = tuple(record.identity for record in records if type(record) is Gpu)
        parts = tuple(record.instance for record in records if type(record) is GpuInstance)
        known = (given, gpus, parts)
        if known != self._known:
            self._known, self._pods = known, tuple(pods(given, Devices(gpus, parts)) if given else ())
        return (*records, *self._pods)

    def close(self) -> None:
        """Gives the driver up."""
        self._observer.close()


def pods(given: Iterable[PodDevices], devices: Devices) -> Sequence[GpuPod]:
    """Each GPU and partition with each pod that was given it, in the order in which they are told of."""
    found = {
        GpuPod(
            uuid=device.key,
            name=told.pod_name,
            namespace=told.pod_namespace,
            container=told.container,
            share=share,
        ): None
        for told in given
        for device, share in _given(told, devices)
        if device.kind != RDMA
    }
    return tuple(found)


def _given(told: PodDevices, devices: Devices) -> list[tuple[Device, str]]:
    """Each device, and which share of it that is, "" for all of it: only a plugin's own names tell shares."""
    named = [
        (device, word.partition(SHARED)[2])
        for word in told.device_ids
        for device in meant(told._replace(device_ids=(word,), cdi_devices=()), devices).devices
    ]
    return named or [(device, "") for device in meant(told, devices).devices]
