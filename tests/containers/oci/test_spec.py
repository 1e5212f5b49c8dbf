"""Runtime specifications: devices, limits, and nothing that may not be kept."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.oci import devices, spec
from nodescope.kernel.file import Malformed
from nodescope.records.container import ContainerDevice

FULL: dict[str, Any] = {
    "process": {
        "args": ["run", "--token=hunter2"],
        "env": ["SECRET=hunter2", "NVIDIA_VISIBLE_DEVICES=0,GPU-5e41-77,hunter2!", "ROCR_VISIBLE_DEVICES=none"],
    },
    "mounts": [
        {"destination": "/var/run/nvidia-container-devices/GPU-aa-11", "source": "/dev/null"},
        {"destination": "/var/run/nvidia-container-devices/cdi/nvidia.com/gpu/3", "source": "/dev/null"},
        {"destination": "/dev/infiniband", "source": "/dev/infiniband"},
        {"destination": "/data", "source": "/secret/hunter2"},
    ],
    "annotations": {"cdi.k8s.io/plugin_7": "nvidia.com/gpu=1,amd.com/gpu=all,hunter2", "other": "hunter2"},
    "linux": {
        "cgroupsPath": "kubepods-besteffort-pod1_2.slice:cri-containerd:abc",
        "devices": [
            {"path": "/dev/fuse", "type": "c"},
            {"path": "/dev/nvidia3", "type": "c"},
            {"path": "/dev/kfd"},
            {"path": "/dev/dri/renderD129"},
            {"path": "/dev/infiniband/uverbs4"},
        ],
        "resources": {
            "memory": {"limit": 67108864},
            "cpu": {"quota": 150000, "period": 100000},
            "pids": {"limit": 100},
            "devices": [{"allow": False, "access": "rwm"}],
        },
    },
}


def test_a_whole_specification() -> None:
    """Devices by path, mount, annotation and environment; limits; the cgroup by systemd's name."""
    facts = spec.parse(json.dumps(FULL).encode(), "x")
    assert set(facts.devices) == {
        ContainerDevice(kind="gpu", evidence="device", path="/dev/nvidia3", vendor="nvidia"),
        ContainerDevice(kind="gpu", evidence="device", path="/dev/kfd", vendor="amd"),
        ContainerDevice(kind="gpu", evidence="device", path="/dev/dri/renderD129"),
        ContainerDevice(kind="rdma", evidence="device", path="/dev/infiniband/uverbs4"),
        ContainerDevice(kind="other", evidence="device", path="/dev/fuse"),
        ContainerDevice(kind="gpu", evidence="cdi", request="nvidia.com/gpu=1", vendor="nvidia"),
        ContainerDevice(kind="gpu", evidence="cdi", request="amd.com/gpu=all", vendor="amd"),
        ContainerDevice(kind="gpu", evidence="cdi", request="nvidia.com/gpu=3", vendor="nvidia"),
        ContainerDevice(kind="gpu", evidence="mount", request="GPU-aa-11", vendor="nvidia"),
        ContainerDevice(kind="rdma", evidence="mount", path="/dev/infiniband"),
        ContainerDevice(
            kind="gpu", evidence="environment", request="NVIDIA_VISIBLE_DEVICES=0,GPU-5e41-77", vendor="nvidia"
        ),
        ContainerDevice(kind="other", evidence="environment", request="ROCR_VISIBLE_DEVICES=", vendor="amd"),
    }
    assert (facts.memory_limit_bytes, facts.cpu_limit_cores, facts.pids_limit) == (67108864, 1.5, 100)
    assert facts.cgroup == (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-abc.scope"
    )
    assert not facts.privileged
    assert "hunter2" not in repr(facts._replace(annotations={}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_VISIBLE_DEVICES=1"], ["NVIDIA_VISIBLE_DEVICES=1"]),
        (["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_VISIBLE_DEVICES=void"], []),
        (["NVIDIA_VISIBLE_DEVICES=0,void"], []),
        (["NVIDIA_VISIBLE_DEVICES=void,all"], []),
        (["NVIDIA_VISIBLE_DEVICES=1, none"], []),
        (["NVIDIA_VISIBLE_DEVICES=none,all"], []),
        (["NVIDIA_VISIBLE_DEVICES=all,none"], ["NVIDIA_VISIBLE_DEVICES=all"]),
        (["HIP_VISIBLE_DEVICES=-1", "HIP_VISIBLE_DEVICES=0"], ["HIP_VISIBLE_DEVICES=0"]),
        (["HIP_VISIBLE_DEVICES=0", "HIP_VISIBLE_DEVICES=-1"], ["HIP_VISIBLE_DEVICES="]),
        (["AMD_VISIBLE_DEVICES=0", "AMD_VISIBLE_DEVICES=0-3,8,hunter2"], ["AMD_VISIBLE_DEVICES=0-3,8"]),
        (["AMD_VISIBLE_DEVICES=0", "AMD_VISIBLE_DEVICES=ALL"], ["AMD_VISIBLE_DEVICES=all"]),
        (["AMD_VISIBLE_DEVICES=0", "AMD_VISIBLE_DEVICES=none"], []),
    ],
)
def test_the_last_of_several_variables_counts(variables: list[str], expected: list[str]) -> None:
    """Of a variable that is there twice the last is the container's, also where it gives or leaves nothing."""
    facts = spec.parse(json.dumps({"process": {"env": variables}}).encode(), "x")
    assert [device.request for device in facts.devices] == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            ["NVIDIA_VISIBLE_DEVICES=all", "DOCKER_RESOURCE_GPU=GPU-5e41,GPU-77"],
            ["DOCKER_RESOURCE_GPU=GPU-5e41,GPU-77"],
        ),
        (["DOCKER_RESOURCE_NVIDIA-GPU=MIG-5e41"], ["DOCKER_RESOURCE_NVIDIA-GPU=MIG-5e41"]),
        (["NVIDIA_VISIBLE_DEVICES=1", "DOCKER_RESOURCE_GPU=2"], ["NVIDIA_VISIBLE_DEVICES=1"]),
        (["DOCKER_RESOURCE_SSD=GPU-5e41"], []),
    ],
)
def test_what_swarm_gave(variables: list[str], expected: list[str]) -> None:
    """UUIDs that Docker Swarm tells go before the image's variable; how many it gave tells of no GPU."""
    facts = spec.parse(json.dumps({"process": {"env": variables}}).encode(), "x")
    assert [device.request for device in facts.devices] == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("cdi.k8s.io/nvidia-device-plugin_1", ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ("nvidia.cdi.k8s.io/nvidia-device-plugin_1", ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ("other.cdi.k8s.io/x", []),
        ("nvidia.cdi.k8s.io", []),
    ],
)
def test_cdi_names_of_annotations(annotation: str, expected: list[str]) -> None:
    """Annotations under CDI's prefix, and under that of NVIDIA's GPU Operator, name devices by CDI."""
    data = {"annotations": {annotation: "nvidia.com/gpu=0,nvidia.com/gpu=1"}}
    found = spec.parse(json.dumps(data).encode(), "x").devices
    assert [(device.evidence, device.request) for device in found] == [("cdi", name) for name in expected]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"io.kubernetes.cri.container-name": "dcgm"}, ["nvidia.com/gpu=0", "nvidia.com/gpu=2"]),
        ({"io.kubernetes.container.name": "web"}, ["nvidia.com/gpu=1", "nvidia.com/gpu=2"]),
        ({"io.kubernetes.container.name": "other"}, ["nvidia.com/gpu=2"]),
        ({}, ["nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=2"]),
    ],
)
def test_cdi_names_for_one_container(names: dict[str, str], expected: list[str]) -> None:
    """What a pod's annotations give to one of its containers no other holds."""
    prefix = "nvidia.cdi.k8s.io"
    given = {f"{prefix}/container.dcgm": "nvidia.com/gpu=0", f"{prefix}/container.web": "nvidia.com/gpu=1"}
    data = {"annotations": {**given, f"{prefix}/pod": "nvidia.com/gpu=2", **names}}
    assert [device.request for device in spec.parse(json.dumps(data).encode(), "x").devices] == expected


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("0:1", "/dev/null", ["0:1"]),
        ("MIG-GPU-5e41/1/0", "/dev/null", ["MIG-GPU-5e41/1/0"]),
        ("all", "/dev/null", ["all"]),
        ("all", "/etc/hosts", []),
        ("imex/0", "/dev/null", []),
        ("void", "/dev/null", []),
        ("cdi/nvidia.com/gpu/0", "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/x", []),
    ],
)
def test_mounts_that_ask(name: str, source: str, expected: list[str]) -> None:
    """What is /dev/null below the toolkit's folder asks for a GPU by any name that a variable may have for it."""
    mount = {"destination": f"/var/run/nvidia-container-devices/{name}", "source": source}
    found = spec.parse(json.dumps({"mounts": [mount]}).encode(), "x").devices
    assert [(device.evidence, device.request) for device in found] == [("mount", word) for word in expected]


@pytest.mark.parametrize(
    ("path", "major", "minor", "expected"),
    [
        ("/dev/nvidia0", 195, 3, "/dev/nvidia3"),
        ("/dev/gpu", 195, 3, "/dev/nvidia3"),
        ("/dev/nvidiactl", 195, 255, "/dev/nvidiactl"),
        ("/dev/dri/renderD128", 226, 130, "/dev/dri/renderD130"),
        ("/dev/dri/card0", 226, 2, "/dev/dri/card2"),
        ("/dev/infiniband/uverbs0", 231, 197, "/dev/infiniband/uverbs5"),
        ("/dev/infiniband/umad1", 231, 1, "/dev/infiniband/umad1"),
        ("/dev/dri/renderD128", 1, 3, "/dev/dri/renderD128"),
    ],
)
def test_a_device_under_another_name(path: str, major: int, minor: int, expected: str) -> None:
    """A device is the host's by its numbers, whatever its name in the container; by its name where those tell none."""
    data = {"linux": {"devices": [{"path": path, "type": "c", "major": major, "minor": minor}]}}
    assert [device.path for device in spec.parse(json.dumps(data).encode(), "x").devices] == [expected]


def test_a_link_of_udev() -> None:
    """A graphics node that is given by its place on the bus is a GPU's."""
    assert devices.by_path("/dev/dri/by-path/pci-0000:c1:00.0-render", "device").kind == "gpu"
    assert devices.by_path("/dev/dri/by-path", "device").kind == "other"


def test_no_limits_and_every_device() -> None:
    """A privileged container's rule is seen, its thousands of devices are bounded, and no limit is None."""
    many = [{"path": f"/dev/loop{number}"} for number in range(1000)] + [{"path": "/dev/nvidia0"}]
    data = {
        "linux": {
            "devices": many,
            "resources": {
                "memory": {"limit": -1},
                "cpu": {"quota": -1, "period": 100000},
                "pids": {"limit": 0},
                "devices": [{"allow": True, "access": "rwm"}],
            },
        }
    }
    facts = spec.parse(json.dumps(data).encode(), "x")
    assert facts.privileged
    assert (len(facts.devices), facts.devices[0].path) == (devices.MAX_DEVICES, "/dev/nvidia0")
    assert (facts.memory_limit_bytes, facts.cpu_limit_cores, facts.pids_limit) == (None, None, None)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/default/web", "/default/web"),
        ("system.slice:docker:abc", "/system.slice/docker-abc.scope"),
        (":cri:abc", "/system.slice/cri-abc.scope"),
        ("-.slice:ctr:web", "/ctr-web.scope"),
        ("a-b.slice:crio:x", "/a.slice/a-b.slice/crio-x.scope"),
        ("", None),
        ("relative", None),
        (None, None),
    ],
)
def test_cgroup_paths(path: str | None, expected: str | None) -> None:
    """Both drivers' ways of naming a cgroup become its path."""
    assert spec.cgroup_path(path) == expected


def test_a_broken_one_shows_nothing_of_itself() -> None:
    """What is no specification is refused without its bytes: the environment is among them."""
    for data in (b'{"process": {"env": ["SECRET=hunter2"', b'{"linux": 5, "x": "hunter2"}', b"[" * 100_000):
        with pytest.raises(Malformed) as refused:
            spec.parse(data, "x")
        assert "hunter2" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["process", "env", "linux", "devices", "mounts", "path", "resources"]), inner)
    ),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=100), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, facts or `Malformed`."""
    with contextlib.suppress(Malformed):
        spec.parse(data, "x")


@given(st.lists(st.binary(max_size=60)), st.dictionaries(st.text(max_size=20), st.text(max_size=60)), st.text())
def test_any_evidence(variables: list[bytes], annotations: dict[str, str], mount: str) -> None:
    """Whatever stands in a variable, an annotation or a mount, what is kept looks like a request."""
    named = [name + b"=" + value for name in devices.ENVIRONMENT for value in variables]
    found = [*devices.by_environment([*variables, *named]), *devices.by_annotations(annotations)]
    found += devices.by_mount(mount, devices.NVIDIA_MOUNTS + mount)
    for device in found:
        text = device.request or device.path or ""
        assert text.isprintable()
        assert len(text) < 400
