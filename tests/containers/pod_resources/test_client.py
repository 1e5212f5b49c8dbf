"""The pod-resources API, of a server on a real socket that speaks as published."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.grpc.channel import RESOURCE_EXHAUSTED, UNIMPLEMENTED, CallFailed
from nodescope.containers.grpc.wire import encode_bytes, encode_number
from nodescope.containers.pod_resources.client import Client, PodDevices, pod_list
from nodescope.kernel.file import Absent, Malformed
from tests.containers.grpc_fake import serving

LIST = "/v1.PodResourcesLister/List"
GPU = "GPU-5e412d3a-0000-1111-2222-333344445555"


def devices(resource: str, *ids: str) -> bytes:
    body = encode_bytes(1, resource) + b"".join(encode_bytes(2, id_) for id_ in ids)
    return body + encode_bytes(3, encode_bytes(1, encode_number(1, 1)))


def pod(name: str = "train-0", gpu: str = GPU) -> bytes:
    cdi = encode_bytes(1, encode_bytes(1, "k8s.gpu.nvidia.com/device=gpu-2"))
    claimed = cdi + encode_bytes(2, "gpu.nvidia.com") + encode_bytes(3, "node-a") + encode_bytes(4, "gpu-2")
    claim = encode_bytes(1, "two") + encode_bytes(2, "ml") + encode_bytes(3, claimed)
    container = encode_bytes(1, "main") + encode_bytes(2, devices("nvidia.com/gpu", gpu)) + encode_number(3, 4)
    return encode_bytes(1, name) + encode_bytes(2, "ml") + encode_bytes(3, container + encode_bytes(5, claim))


EXPECTED = (
    PodDevices("train-0", "ml", "main", "nvidia.com/gpu", (GPU,), (1,)),
    PodDevices(
        "train-0",
        "ml",
        "main",
        "gpu.nvidia.com",
        ("node-a/gpu-2",),
        cdi_devices=("k8s.gpu.nvidia.com/device=gpu-2",),
        claim="ml/two",
    ),
)


def test_list(tmp_path: Path) -> None:
    """Devices of plugins and of claims are told with pod, container and NUMA node."""
    with serving(tmp_path / "s", {LIST: lambda *_: encode_bytes(1, pod())}):
        client = Client(str(tmp_path / "s"))
        assert client.list() == EXPECTED
        client.close()


def test_an_answer_beyond_4_mib(tmp_path: Path) -> None:
    """A node of many pods is read whole, where gRPC's own bound would refuse it."""
    answer = b"".join(encode_bytes(1, pod(f"pod-{number}")) for number in range(30_000))
    assert len(answer) > 4 * 1024 * 1024
    with serving(tmp_path / "s", {LIST: lambda *_: answer}):
        client = Client(str(tmp_path / "s"))
        assert len(client.list()) == 60_000
        client.close()


def test_the_kubelets_limit(tmp_path: Path) -> None:
    """Asked again at once it is not asked at all; where it refuses and has told nothing yet, that is an error."""
    calls: list[int] = []

    def listed(_request: bytes, context: Any) -> bytes:
        calls.append(1)
        if len(calls) > 1:
            context.abort(__import__("grpc").StatusCode.RESOURCE_EXHAUSTED, "rejected by rate limit")
        return encode_bytes(1, pod())

    with serving(tmp_path / "s", {LIST: listed}):
        client = Client(str(tmp_path / "s"))
        assert client.list() == client.list() == EXPECTED
        assert len(calls) == 1
        other = Client(str(tmp_path / "s"))
        with pytest.raises(CallFailed) as refused:
            other.list()
        assert refused.value.code == RESOURCE_EXHAUSTED
        client.close()
        other.close()


def test_a_kubelet_without_the_service(tmp_path: Path) -> None:
    """A kubelet that lacks the service says so; no kubelet is absence."""
    with serving(tmp_path / "s", {}):
        client = Client(str(tmp_path / "s"))
        with pytest.raises(CallFailed) as refused:
            client.list()
        assert refused.value.code == UNIMPLEMENTED
        client.close()
    with pytest.raises(Absent):
        Client(str(tmp_path / "none")).list()


@given(st.binary(max_size=120))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, devices or `Malformed`."""
    for wrapped in (data, encode_bytes(1, data), encode_bytes(1, encode_bytes(3, data))):
        with contextlib.suppress(Malformed):
            pod_list(wrapped, "x")
