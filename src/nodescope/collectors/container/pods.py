"""What the kubelet knows of containers: their pods, and the devices that it gave to them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from nodescope.collectors.joined import Loop
from nodescope.collectors.parts import Parts
from nodescope.host import Absent
from nodescope.records.container import NOT_ASKED, Container, RuntimeStatus
from nodescope.records.kubelet import Pod
from nodescope.sampler import Snapshot

PODS: Final = "nodescope.collectors.kubelet.pods_source"
SUMMARY: Final = "nodescope.collectors.kubelet.summary_source"
POD_RESOURCES: Final = "nodescope.collectors.kubelet.pod_resources_source"
KUBELET: Final = "kubelet"

log = logging.getLogger(__name__)


class KubeletPods:
    """Both samplers of the kubelet, each in its own thread; either may be None, where it is not asked.

    No method waits: what was told last holds, for a container keeps its pod and its devices as long as it is there.
    `url`: of the kubelet. `tells`: whether a failure of it is logged here, for no collector shows it.
    """

    def __init__(
        self,
        pods: Loop | None = None,
        pod_resources: Loop | None = None,
        url: str = "",
        tells: Callable[[], bool] = lambda: True,
    ) -> None:
        self._pods = pods
        self._pod_resources = pod_resources
        self._url = url
        self._tells = tells
        self._state = ""
        self._joined: tuple[Snapshot | None, Any] = (None, None)

    def start(self, devices: bool) -> None:
        """Starts those that are not running yet. `devices`: whether there is anything to give."""
        for loop in (self._pods, self._pod_resources if devices else None):
            if loop is not None:
                loop.start()

    def named(self, containers: Iterable[Container]) -> tuple[Container, ...]:
        """The containers, with their pods."""
        snapshot = self._pods.snapshot if self._pods else None
        if snapshot is None or not snapshot.records:
            return tuple(containers)
        # What only a node with a kubelet needs.
        from nodescope.containers.kubelet.joined import with_pods
        from nodescope.containers.kubelet.pods import index

        if snapshot is not self._joined[0]:
            self._joined = snapshot, index(record for record in snapshot.records if type(record) is Pod)
        return tuple(with_pods(containers, self._joined[1]))

    def devices(self) -> list[Any]:
        """What the kubelet gave to pods (`PodDevices`)."""
        return [record for record in self._given() if type(record) is not RuntimeStatus]

    def statuses(self) -> list[RuntimeStatus]:
        """How the kubelet and its pod-resources fare; nothing of one that is not there."""
        found = [record for record in self._given() if type(record) is RuntimeStatus]
        return [*self._kubelet(), *found]

    def _given(self) -> tuple[Any, ...]:
        snapshot = self._pod_resources.snapshot if self._pod_resources else None
        return snapshot.records if snapshot else ()

    def _kubelet(self) -> list[RuntimeStatus]:
        if self._pods is None:
            return []
        containers = 0
        state, reason = "ok", ""
        try:
            pods = (record for record in self._pods.fresh().records if type(record) is Pod)
            containers = sum(container.id is not None for pod in pods for container in pod.containers)
        except Absent:
            state, reason = "absent", NOT_ASKED
        except Exception as error:  # noqa: BLE001  whatever its sampler failed for is the kubelet's, not ours
            state, reason = "failed", str(error)
        if state != self._state and "failed" in (state, self._state) and self._tells():
            log.warning("containers' pods by the kubelet at %s: %s", self._url, reason or "it answers again")
        self._state = state
        return [RuntimeStatus(runtime=KUBELET, socket=self._url, state=state, reason=reason, containers=containers)]


def kubelet_pods(parts: Parts) -> KubeletPods:
    """What the settings ask of the kubelet. Raises `SettingsError` where they name none that can be asked."""
    settings = parts.settings
    pods, url = None, ""
    if settings["collector.kubelet.address"]:
        from nodescope.collectors.kubelet.access import access

        known = access(settings)
        if known is not None:
            pods, url = parts.loop((PODS,)), known.url
    given = parts.loop((POD_RESOURCES,)) if settings["collector.kubelet.pod-resources-socket"] else None
    return KubeletPods(pods, given, url, lambda: SUMMARY not in parts.loops)
