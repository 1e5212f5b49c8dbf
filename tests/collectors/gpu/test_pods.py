"""Which pods the kubelet gave GPUs to, beside what is observed of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope import collectors, configuration
from nodescope.collectors.gpu.pods import PodsObserver, pods
from nodescope.collectors.kubelet.pod_resources_source import loop
from nodescope.collectors.parts import Parts, Surroundings, unheard
from nodescope.containers.grpc.wire import encode_bytes
from nodescope.containers.pod_resources.client import PodDevices
from nodescope.exposition.text import TextEncoder
from nodescope.host import Host
from nodescope.ownership.devices import Devices
from nodescope.records.gpu_pod import GpuPod
from nodescope.sampling import SamplerLoop
from tests.collectors.gpu.gpu_snapshot import DIVIDED, INSTANCES, WHOLE
from tests.containers.grpc_fake import serving
from tests.devices.amd.amd_node import AmdNode

LIST: Final = "/v1.PodResourcesLister/List"
LONG_S: Final = 20.0
GPU: Final = "nvidia.com/gpu"


class Observer:
    """Says the same each time."""

    def __init__(self, *records: Any) -> None:
        self.records = records
        self.closed = False

    def sample(self) -> tuple[Any, ...]:
        return self.records

    def close(self) -> None:
        self.closed = True


def listing(uuid: str, resource: str = GPU) -> bytes:
    """A ListPodResourcesResponse: one pod, one container, one device of a vendor's plugin."""
    devices = encode_bytes(1, resource) + encode_bytes(2, uuid)
    container = encode_bytes(1, "main") + encode_bytes(2, devices)
    return encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "ml") + encode_bytes(3, container))


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[SamplerLoop]:
    """What asks the kubelet at a socket under the test's folder, each 50 ms."""
    (tmp_path / "proc").mkdir()
    host = Host(f"{tmp_path}/proc", f"{tmp_path}/sys", str(tmp_path))
    settings = {"collector.kubelet.pod-resources-socket": "/k.sock", "collector.kubelet.pod-resources-interval": "1s"}
    made = loop(Parts(host, configuration.load(settings, {}), Surroundings(unheard, {})))
    yield made
    made.stop()


def test_what_the_kubelet_gave_is_beside_what_is_observed(kubelet: SamplerLoop, tmp_path: Path) -> None:
    """A GPU that was given to a pod is told with it as soon as the kubelet has answered."""
    observed = Observer(WHOLE)
    observer = PodsObserver(kubelet, observed)
    with serving(tmp_path / "k.sock", {LIST: lambda *_: listing(WHOLE.identity.uuid)}):
        assert observer.sample()[0] == WHOLE
        assert kubelet.first(time.monotonic() + LONG_S)
        given = GpuPod(uuid=WHOLE.identity.uuid, name="train-0", namespace="ml", container="main")
        assert observer.sample() == observer.sample() == (WHOLE, given)
    observed.records = ()
    assert observer.sample() == ()
    observer.close()
    assert observed.closed


@pytest.mark.parametrize(
    ("resource", "word", "uuids"),
    [
        (GPU, WHOLE.identity.uuid, [WHOLE.identity.uuid]),
        (GPU, f"{WHOLE.identity.uuid}::3", [WHOLE.identity.uuid]),
        (GPU, "nvidia0", [WHOLE.identity.uuid]),
        ("nvidia.com/mig-1g.18gb", INSTANCES[0].instance.uuid, [INSTANCES[0].instance.uuid]),
        ("rdma/hca_shared_devices_a", "0", []),
        (GPU, "GPU-of-another-node", []),
    ],
)
def test_the_names_of_device_plugins(resource: str, word: str, uuids: list[str]) -> None:
    """UUIDs, shares, nodes and partitions are understood; other resources are no GPUs."""
    devices = Devices([WHOLE.identity, DIVIDED.identity], [part.instance for part in INSTANCES])
    assert [pod.uuid for pod in pods([PodDevices("p", "n", "main", resource, (word,))], devices)] == uuids


def test_shares() -> None:
    """A GPU that several pods share is told with each of them and its share, in the kubelet's order."""
    given = [PodDevices(f"pod-{name}", "n", "main", GPU, (f"{WHOLE.identity.uuid}::{name}",)) for name in ("1", "0")]
    found = pods([*given, *given], Devices([WHOLE.identity]))
    assert [(pod.name, pod.share) for pod in found] == [("pod-1", "1"), ("pod-0", "0")]


def test_qualified_names_tell_no_share() -> None:
    """Where the plugin's own names mean nothing here, devices are those of the qualified names, each whole."""
    cdi = (f"nvidia.com/gpu={WHOLE.identity.uuid}",)
    given = PodDevices("p", "n", "main", GPU, ("odd::0", "odd::1"), cdi_devices=cdi)
    assert [(pod.uuid, pod.share) for pod in pods([given], Devices([WHOLE.identity]))] == [(WHOLE.identity.uuid, "")]


def test_amd_gpus_have_pods_where_the_conductors_form_asks(tmp_path: Path) -> None:
    """The conductor's newest form labels a GPU of AMD's with the pod that its device plugin gave it to."""
    (tmp_path / "node").mkdir()
    node = AmdNode(tmp_path / "node")
    node.gpu("0000:03:00.0", {"gpu_busy_percent": 7})
    wanted: dict[str, Any] = {
        "collector.gpu_conductor.kubernetes": True,
        "collector.kubelet.pod-resources-socket": "/k.sock",
    }
    parts = Parts(node.host, configuration.load(wanted, {}), Surroundings(unheard, {}))
    with serving(node.root / "k.sock", {LIST: lambda *_: listing("0000:03:00.0", "amd.com/gpu")}):
        collector = collectors.build("gpu_conductor", node.host, parts.settings, parts)
        loop = parts.loop(collectors.BY_NAME["gpu_conductor"].sources)
        try:
            deadline = time.monotonic() + LONG_S
            loop.start()
            assert loop.first(deadline)
            while (page := TextEncoder().encode(collector.collect()).decode()).count('pod="train-0"') == 0:
                assert time.monotonic() < deadline, page
                time.sleep(0.05)
            assert 'k8s_namespace_gpu_utilization_total{namespace="ml"} 7' in page
        finally:
            for each in parts.loops.values():
                each.stop()
