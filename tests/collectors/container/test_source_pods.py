"""The sampler of containers, with what the kubelet knows of them, and with a filter."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nodescope.collectors import AMD as AMD_SOURCE
from nodescope.collectors import NVIDIA
from nodescope.collectors.container.container import build
from nodescope.collectors.container.pods import SUMMARY, KubeletPods, kubelet_pods
from nodescope.collectors.container.source import loop
from nodescope.containers.grpc.wire import encode_bytes
from nodescope.exposition.text import TextEncoder
from nodescope.records.container import Container, ContainerUse, DeviceClaim, RuntimeStatus
from nodescope.records.container_choice import ContainersLeftOut
from nodescope.records.gpu import InstanceReading
from nodescope.records.gpu_snapshot import GpuInstance
from nodescope.settings import SettingsError
from nodescope.simulate.amd_tree import write_mi300x
from tests.collectors.container.sampled import LONG_S, of, sampled
from tests.collectors.container.test_source import parts, root
from tests.collectors.gpu.gpu_snapshot import gpu, loop_of
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.grpc_fake import serving
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import FakeKubelet, container, pod, pod_list, send
from tests.containers.pod_resources.test_client import LIST, devices
from tests.ownership.gpus import AMD, PARTITIONS, XCP, amd

__all__ = ["root"]

SOCKET: Final = "/kubelet.sock"


def flags(kubelet: FakeKubelet, cluster: Path, ca: str = "ca") -> dict[str, str]:
    return {
        "collector.kubelet.address": f"127.0.0.1:{kubelet.port}",
        "collector.kubelet.ca-file": str(cluster / f"{ca}.crt"),
        "collector.kubelet.token-file": "",
        "collector.kubelet.interval": "1s",
        "collector.kubelet.pod-resources-socket": SOCKET,
        "collector.kubelet.pod-resources-interval": "1s",
    }


def status(records: tuple[Any, ...], runtime: str) -> RuntimeStatus:
    (found,) = [one for one in of(records, RuntimeStatus) if one.runtime == runtime]
    assert isinstance(found, RuntimeStatus)
    return found


@pytest.fixture
def engine(root: Path) -> Iterator[FakeEngine]:
    with FakeEngine(root / "run/docker.sock") as made:
        made.start(made.create(1, name="k8s_main_train-0"))
        yield made


ID: Final = f"{1:064x}"


def told(kubelet: FakeKubelet) -> None:
    """One pod, whose container is the engine's."""
    one = pod("train-0", [container("main", {"nvidia.com/gpu": "1"})])
    one["status"]["containerStatuses"][0]["containerID"] = f"docker://{ID}"
    kubelet.bodies["/pods"] = pod_list(one)


def running(records: tuple[Any, ...]) -> bool:
    return [one.state for one in of(records, Container)] == ["running"]


def test_pods_that_the_runtime_did_not_tell_of(
    root: Path, engine: FakeEngine, sampler: Any, start: Start, cluster: Path
) -> None:
    """A container has its pod by the kubelet's word, and how the kubelet fares is told like of a runtime."""
    kubelet = start()
    told(kubelet)
    made = sampler(parts(root, [], **flags(kubelet, cluster)))
    records = sampled(made, lambda records: any(one.pod_name for one in of(records, Container)))
    (one,) = of(records, Container)
    assert (one.pod_name, one.pod_namespace, one.pod_uid, one.pod_container) == (
        "train-0", "jobs", "uid-train-0", "main",
    )  # fmt: skip
    found = status(records, "kubelet")
    assert (found.state, found.containers, found.socket) == ("ok", 1, f"https://127.0.0.1:{kubelet.port}")
    kubelet.stop()
    records = sampled(made, lambda records: status(records, "kubelet").state == "failed")
    assert of(records, Container)[0].pod_name == "train-0"


def test_devices_that_the_kubelet_gave(
    root: Path, engine: FakeEngine, sampler: Any, start: Start, cluster: Path
) -> None:
    """A GPU that pod-resources names is claimed by the pod's container, in the metrics too; its status is shown."""
    kubelet = start()
    told(kubelet)
    inner = encode_bytes(1, "main") + encode_bytes(2, devices("nvidia.com/gpu", "GPU-0"))
    given = encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "jobs") + encode_bytes(3, inner))
    with (
        serving(root / SOCKET[1:], {LIST: lambda *_: given}),
        loop_of(gpu(0), gpu(1)) as gpus,
    ):
        settings = parts(root, [], **flags(kubelet, cluster))
        settings.loops[NVIDIA] = gpus
        made = sampler(settings)
        records = sampled(made, lambda records: any(claim.container_id for claim in of(records, DeviceClaim)))
        (claim,) = of(records, DeviceClaim)
        assert (claim.device, claim.evidence, claim.container_id) == ("GPU-0", "pod_resources", ID)
        assert (claim.pod_name, claim.pod_namespace, claim.container) == ("train-0", "jobs", "main")
        found = status(records, "pod-resources")
        assert (found.state, found.api_version, found.containers) == ("ok", "v1", 1)
        with loop_of(*records) as shown:
            text = TextEncoder().encode(build(settings.host, settings.settings, shown).collect()).decode()
    assert 'evidence="pod_resources",kind="gpu",pod_name="train-0"' in text
    assert f'runtime="pod-resources",socket="{root}{SOCKET}",state="ok"' in text


def test_devices_that_are_not_of_this_node(
    root: Path, sampler: Any, caplog: pytest.LogCaptureFixture, start: Start, cluster: Path
) -> None:
    """An id that names no device is counted, and said once."""
    kubelet = start()
    told(kubelet)
    inner = encode_bytes(1, "main") + encode_bytes(2, devices("nvidia.com/gpu", "GPU-7"))
    given = encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "jobs") + encode_bytes(3, inner))
    with serving(root / SOCKET[1:], {LIST: lambda *_: given}), loop_of(gpu(0)) as gpus:
        settings = parts(root, [], **flags(kubelet, cluster))
        settings.loops[NVIDIA] = gpus
        made = sampler(settings)
        for _ in range(2):
            records = sampled(made, lambda records: [one.requests for one in of(records, ContainersLeftOut)] == [1])
    assert of(records, DeviceClaim) == []
    assert [line for line in caplog.messages if "GPU-7" in line] == [
        "of containers' requests 1 name no device of this node: jobs/train-0: pod_resources GPU-7"
    ]


def test_devices_of_a_pod_that_no_runtime_told_of(root: Path, sampler: Any) -> None:
    """Where no runtime can be asked the kubelet's word alone makes a claim, of the pod."""
    inner = encode_bytes(1, "main") + encode_bytes(2, devices("nvidia.com/gpu", "GPU-1"))
    given = encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "jobs") + encode_bytes(3, inner))
    with serving(root / SOCKET[1:], {LIST: lambda *_: given}), loop_of(gpu(0), gpu(1)) as gpus:
        settings = parts(root, [], **{"collector.kubelet.pod-resources-socket": SOCKET})
        settings.loops[NVIDIA] = gpus
        made = sampler(settings)
        kubelet_pods(settings).start(devices=True)
        assert settings.loops["nodescope.collectors.kubelet.pod_resources_source"].first(time.monotonic() + LONG_S)
        (claim,) = of(sampled(made, lambda records: True), DeviceClaim)
    assert (claim.device, claim.container_id, claim.pod_name) == ("GPU-1", None, "train-0")


def refusing(code: str) -> Callable[[FakeKubelet], None]:
    def refuse(kubelet: FakeKubelet) -> None:
        kubelet.answers["/pods"] = lambda connection, path: send(connection, b"no", f"{code} No")

    return refuse


def hung(kubelet: FakeKubelet) -> None:
    def answer(connection: ssl.SSLSocket, path: str) -> bool:
        kubelet.stopping.wait(LONG_S)
        return False

    kubelet.answers["/pods"] = answer


def truncated(kubelet: FakeKubelet) -> None:
    kubelet.bodies["/pods"] = pod_list(pod("a", [container("main")]))[:-9]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (refusing("401"), "token-file"),
        (refusing("403"), "nodes/pods"),
        (refusing("500"), "own log"),
        (truncated, "a PodList in JSON"),
    ],
)
def test_a_kubelet_that_fails(
    root: Path, engine: FakeEngine, sampler: Any, start: Start, cluster: Path, caplog: pytest.LogCaptureFixture,
    fault: Callable[[FakeKubelet], None], reason: str,
) -> None:  # fmt: skip
    """Containers are as without it; why is in its status, and told once with what to do."""
    kubelet = start()
    fault(kubelet)
    made = sampler(parts(root, [], **flags(kubelet, cluster)))
    with caplog.at_level(logging.WARNING):
        records = sampled(made, lambda all_: running(all_) and status(all_, "kubelet").state == "failed")
        asked = len(kubelet.seen)
        sampled(made, lambda _: len(kubelet.seen) > asked + 1)
    assert reason in status(records, "kubelet").reason
    (line,) = [record.getMessage() for record in caplog.records if "by the kubelet" in record.getMessage()]
    assert reason in line


def test_a_kubelet_of_another_ca(root: Path, engine: FakeEngine, sampler: Any, start: Start, cluster: Path) -> None:
    """A certificate that cannot be verified costs the pods' names alone."""
    made = sampler(parts(root, [], **flags(start(), cluster, "other")))
    records = sampled(made, lambda all_: running(all_) and status(all_, "kubelet").state == "failed")
    assert "collector.kubelet.ca-file" in status(records, "kubelet").reason


def test_a_kubelet_that_hangs(root: Path, engine: FakeEngine, sampler: Any, start: Start, cluster: Path) -> None:
    """Nobody waits for it: containers are told of while the first answer is still awaited."""
    kubelet = start()
    hung(kubelet)
    made = sampler(parts(root, [], **flags(kubelet, cluster)))
    records = sampled(made, lambda all_: running(all_) and bool(kubelet.seen))
    found = status(records, "kubelet")
    assert (found.state, found.reason) == ("absent", "not asked yet")


def test_who_tells_of_a_kubelet_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Where a collector of the kubelet runs it tells, and the containers' sampler is silent."""

    class Failing:
        snapshot = None

        def fresh(self) -> None:
            raise OSError("it broke")

    for tells in (False, True):
        pods = KubeletPods(Failing(), None, "https://x", lambda tells=tells: tells)  # type: ignore[arg-type,misc]
        assert [one.reason for one in (*pods.statuses(), *pods.statuses())] == ["it broke", "it broke"]
    assert len(caplog.records) == 1
    assert SUMMARY.endswith("summary_source")


def test_an_address_that_is_none(root: Path) -> None:
    """It is an error of the settings, before anything is sampled."""
    with pytest.raises(SettingsError, match="expected a host"):
        loop(parts(root, [], **{"collector.kubelet.address": "http://node"}))


def test_a_partition_by_the_name_of_its_platform_device(root: Path, sampler: Any) -> None:
    """AMD's plugin names a partition amdgpu_xcp_N, which the DRM nodes tell: they are looked at where there is one."""
    write_mi300x(root, 2)
    whole = gpu(0, identity=amd(AMD[1], 0))
    part = GpuInstance(
        identity=whole.identity, instance=PARTITIONS[1], gpu=whole, first=1, reading=InstanceReading(uuid=XCP[1])
    )
    part = replace(part, instance=replace(part.instance, dri_card="card5", dri_render="renderD132"))
    inner = encode_bytes(1, "main") + encode_bytes(2, devices("amd.com/gpu", "amdgpu_xcp_3"))
    given = encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "jobs") + encode_bytes(3, inner))
    with serving(root / SOCKET[1:], {LIST: lambda *_: given}), loop_of(whole, part) as gpus:
        settings = parts(root, [], **{"collector.kubelet.pod-resources-socket": SOCKET})
        settings.loops[AMD_SOURCE] = gpus
        made = sampler(settings)
        kubelet_pods(settings).start(devices=True)
        assert settings.loops["nodescope.collectors.kubelet.pod_resources_source"].first(time.monotonic() + LONG_S)
        records = sampled(made, lambda all_: bool(of(all_, DeviceClaim)))
    assert [(claim.device, claim.pod_name) for claim in of(records, DeviceClaim)] == [(XCP[1], "train-0")]


def test_a_container_without_its_runtimes_socket(root: Path, sampler: Any, start: Start, cluster: Path) -> None:
    """By its cgroup and the kubelet's word alone a container of a pod has its name, its pod and what it uses."""
    container_id = "a" * 64
    uid = "0b6f3d3a-1111-2222-3333-444455556666"
    folder = root / "sys/fs/cgroup/kubepods.slice" / f"kubepods-pod{uid.replace('-', '_')}.slice"
    folder /= f"cri-containerd-{container_id}.scope"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("")
    (folder / "memory.current").write_text("4096\n")
    kubelet = start()
    one = pod("train-0", [container("main")], uid=uid)
    one["status"]["containerStatuses"][0]["containerID"] = f"containerd://{container_id}"
    kubelet.bodies["/pods"] = pod_list(one)
    made = sampler(parts(root, [], **flags(kubelet, cluster)))
    records = sampled(made, lambda all_: any(one.pod_name for one in of(all_, Container)))
    (found,) = of(records, Container)
    assert (found.name, found.pod_name, found.pod_namespace, found.pod_uid) == ("main", "train-0", "jobs", uid)
    assert [use.id for use in of(records, ContainerUse)] == [container_id]
