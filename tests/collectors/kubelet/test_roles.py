"""Kubernetes as the roles that a user runs show it: real processes against a kubelet, an engine and pod-resources."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.containers.grpc.wire import encode_bytes
from nodescope.simulate.amd_tree import write_mi300x
from nodescope.simulate.rdma_tree import write_rdma
from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.grpc_fake import serving
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import FakeKubelet, container, pod, pod_list, pod_storage, summary
from tests.containers.pod_resources.test_client import LIST, devices
from tools.serving import Server, nodescope_command, own_environment, unused_port

LONG_S: Final = 30.0
TRAIN: Final = f"{1:064x}"
WEB: Final = f"{2:064x}"
SOCKET: Final = "var/lib/kubelet/pod-resources/kubelet.sock"
STORAGE: Final = {"usedBytes": 25, "availableBytes": 60, "capacityBytes": 100}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with two GPUs and two RDMA devices, and room for the sockets."""
    write_mi300x(tmp_path, 2)
    write_rdma(tmp_path, 2)
    for folder in ("run", "proc/1", "proc/self", "sys/fs/cgroup", str(Path(SOCKET).parent)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    mount = f"30 1 0:26 / {tmp_path}/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    for process in ("1", "self"):
        (tmp_path / f"proc/{process}/mountinfo").write_text(mount)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    return tmp_path


def pci_address(root: Path) -> str:
    """As AMD's device plugin calls a GPU."""
    return (root / "sys/class/drm/card1").resolve().parts[-3]


def told(kubelet: FakeKubelet) -> None:
    kubelet.tokens = {"token-1"}
    one = pod("train-0", [container("main", {"amd.com/gpu": "1"})])
    one["status"]["containerStatuses"][0]["containerID"] = f"docker://{TRAIN}"
    kubelet.bodies["/pods"] = pod_list(one)
    kubelet.bodies["/stats/summary"] = summary(pod_storage("train-0", 5), fs=STORAGE)


def given(root: Path) -> Callable[..., bytes]:
    inner = encode_bytes(1, "main") + encode_bytes(2, devices("amd.com/gpu", pci_address(root)))
    answer = encode_bytes(1, encode_bytes(1, "train-0") + encode_bytes(2, "jobs") + encode_bytes(3, inner))
    return lambda *_: answer


@contextlib.contextmanager
def agent(root: Path, cluster: Path, *arguments: str, node_ip: str = "") -> Iterator[Server]:
    port = unused_port()
    token = root / "token"
    token.write_text("token-1\n")
    command = nodescope_command(
        [
            *arguments, f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}",
            f"--collector.kubelet.ca-file={cluster / 'ca.crt'}", "--collector.container.interval=0.5s",
            "--collector.kubelet.interval=1s", "--collector.kubelet.pod-resources-interval=1s",
            "--log.level=info",
        ],
        port,
    )  # fmt: skip
    environment = {"KUBELET_TOKEN_FILE": str(token), "NODE_NAME": "gpu-1", **({"NODE_IP": node_ip} if node_ip else {})}
    server = Server(command, port, root / "log", root, environment)
    try:
        yield server
    finally:
        server.stop(LONG_S)


def fetched(server: Server, path: str, enough: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + LONG_S
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=LONG_S) as answer:
            text: str = answer.read().decode()
        if enough(text):
            return text
        assert time.monotonic() < deadline, (text[-3000:], server.log[-3000:])
        time.sleep(0.1)


LENS: Final = (
    "node_k8s_gpu_allocation_rate 50",
    'pod_ephemeral_storage_usage_bytes{node="gpu-1",pod_name="train-0",pod_namespace="jobs"} 5',
    'node_ephemeral_storage_usage_bytes{node="gpu-1"} 25',
    'node_ephemeral_storage_usage_percent{node="gpu-1"} 0.25',
)
AGENT: Final = (
    "node_k8s_gpu_allocation_rate 50",
    'pod_ephemeral_storage_usage_bytes{namespace="jobs",node="gpu-1",pod="train-0"} 5',
    'node_ephemeral_storage_usage_percent{node="gpu-1"} 25',
    'nodescope_kubelet_pods{node="gpu-1",phase="Running"} 1',
    'nodescope_pod_gpu_requests{namespace="jobs",node="gpu-1",pod="train-0",resource="amd.com/gpu"} 1',
    'nodescope_pod_gpu_limits{namespace="jobs",node="gpu-1",pod="train-0",resource="amd.com/gpu"} 1',
)


@pytest.mark.parametrize(("role", "lines"), [(("exporter", "lens"), LENS), (("agent",), AGENT)])
def test_kubernetes_in_a_role(
    root: Path, start: Start, cluster: Path, role: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    """By NODE_IP alone each role shows its families, and /pods tells the pod's container with its GPU, and no other."""
    kubelet = start()
    told(kubelet)
    with (
        FakeEngine(root / "run/docker.sock") as engine,
        serving(root / SOCKET, {LIST: given(root)}),
        agent(root, cluster, *role, node_ip=f"127.0.0.1:{kubelet.port}") as server,
    ):
        for number, name in ((1, "k8s_main"), (2, "web")):
            engine.start(engine.create(number, name, Env=["TOKEN=environment-SECRET"], Labels={"a": "label-SECRET"}))
        for line in lines:
            metrics = fetched(server, "/metrics", lambda text, line=line: line in text)  # type: ignore[misc]
        pods = fetched(server, "/v1/pods", lambda text: '"GPU"' in text and TRAIN in text)
        assert "SECRET" not in metrics + pods + server.log
    (one,) = json.loads(pods)
    assert (one["id"], one["pod_name"], one["pod_namespace"], one["pod_uuid"]) == (
        TRAIN, "train-0", "jobs", "uid-train-0",
    )  # fmt: skip
    (device,) = one["devices"]["gpu"]
    assert (device["slot"], device["evidence"], device["vendor"]) == (pci_address(root), "pod_resources", "amd")
    assert device["path"].startswith("/dev/dri/card")
    assert device["render"].startswith("/dev/dri/renderD")


@pytest.mark.parametrize("role", [("exporter", "lens"), ("agent",)])
def test_a_role_without_a_kubelet(root: Path, cluster: Path, role: tuple[str, ...]) -> None:
    """Where there is none its families are absent, nothing is said of it, and /pods is an empty list."""
    with agent(root, cluster, *role) as server:
        metrics = fetched(server, "/metrics", lambda text: "gpu" in text)
        pods: Any = json.loads(fetched(server, "/pods", lambda text: True))
        # The test's own folder is called by its name, and is warned of.
        assert "kubelet" not in server.log.replace(str(root), "")
    assert pods == []
    assert "node_k8s_gpu_allocation_rate" not in metrics
    assert "ephemeral_storage" not in metrics


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--collector.container.image-include=(", "collector.container.image-include is '(', expected a regular"),
        ("--collector.container.label-exclude=a=(", "collector.container.label-exclude has 'a=(', expected NAME or"),
        ("--collector.container.show=tpu", "collector.container.show is 'tpu', expected one of all, gpu"),
        ("--collector.kubelet.address=http://x", "collector.kubelet.address: expected a host"),
    ],
)
def test_a_setting_that_cannot_be_followed(flag: str, sentence: str) -> None:
    """It ends the start with exit code 2 and one sentence."""
    command = nodescope_command(["exporter", "lens", flag], unused_port())
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False, env=own_environment())
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert sentence in line
