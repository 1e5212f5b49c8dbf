"""Records from what engines say of containers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.engine.inspect import STATES, digest, parse_container, parse_list, seconds
from nodescope.containers.oci.devices import MAX_DEVICES
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container, ContainerDevice

ID = "ab" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def container(labels: frozenset[str] = frozenset(), **parts: Any) -> Container:
    return parse_container(json.dumps({"Id": ID, "Name": "/train", **parts}).encode(), "docker", labels, "s")


def test_a_running_container() -> None:
    """All that an engine tells is in the record, in base units."""
    record = container(
        frozenset({"team"}),
        Created="2026-11-21T17:37:29.5Z",
        Image="sha256:" + "1" * 64,
        RestartCount=2,
        State={
            "Status": "running",
            "Pid": 99,
            "ExitCode": 0,
            "OOMKilled": False,
            "StartedAt": "2026-11-21T19:37:30.123456789+02:00",
            "FinishedAt": "0001-01-01T00:00:00Z",
            "Health": {"Status": "healthy"},
        },
        Config={"Image": "vllm:1", "Labels": {"team": "a", "secret": "b"}, "Env": ["PASSWORD=c"]},
        HostConfig={"Memory": 1024, "NanoCpus": 1_500_000_000, "PidsLimit": 10, "Privileged": True},
    )
    assert record == Container(
        runtime="docker",
        id=ID,
        name="train",
        image="vllm:1",
        image_digest="sha256:" + "1" * 64,
        labels={"team": "a"},
        state="running",
        health="healthy",
        pid=99,
        restarts=2,
        created_seconds=1795282649.5,
        started_seconds=1795282650.1234567,
        privileged=True,
        memory_limit_bytes=1024,
        cpu_limit_cores=1.5,
        pids_limit=10,
    )


def test_what_is_not_told_is_absent() -> None:
    """Nulls, zeros for limits and pids, and an exit code of what never ran are no values."""
    nothing = {"Memory": 0, "NanoCpus": 0, "CpuQuota": -1, "PidsLimit": -1, "Devices": None, "DeviceRequests": None}
    state = {"Status": "created", "ExitCode": 0, "Pid": 0, "Health": {"Status": "none"}}
    record = container(HostConfig=nothing, State=state, Mounts=None, Config={"Labels": None, "Env": None})
    assert record == Container(runtime="docker", id=ID, name="train", state="created")


@pytest.mark.parametrize(("mode", "joins"), [("container:" + ID, True), ("bridge", False), ("", False), (None, False)])
def test_a_network_of_another(mode: str | None, joins: bool) -> None:
    """A container that was made with the network of another one joins it, all others have their own or the host's."""
    assert container(HostConfig={"NetworkMode": mode}).joins_network is joins


def test_requested_ids_joined_by_commas() -> None:
    """Several GPUs in one word are several requests, as they are to the engine."""
    requests = [{"Driver": "nvidia", "Count": 0, "DeviceIDs": ["0,1", "2"], "Capabilities": [["gpu"]]}]
    assert [device.request for device in container(HostConfig={"DeviceRequests": requests}).devices] == ["0", "1", "2"]


def test_quota_and_period_are_cores() -> None:
    """Half a core by quota; the period is 0.1 s where none is told."""
    assert container(HostConfig={"CpuQuota": 50_000, "CpuPeriod": 0}).cpu_limit_cores == 0.5
    assert container(HostConfig={"CpuQuota": 50_000, "CpuPeriod": 25_000}).cpu_limit_cores == 2


def test_labels_of_kubernetes_and_compose() -> None:
    """They fill fields of their own, whether or not any label is kept."""
    labels = {
        "io.kubernetes.pod.name": "p",
        "io.kubernetes.pod.namespace": "n",
        "io.kubernetes.pod.uid": "u",
        "io.kubernetes.container.name": "c",
        "com.docker.compose.project": "web",
        "com.docker.compose.service": "db",
    }
    record = container(Config={"Labels": labels})
    assert (record.pod_name, record.pod_namespace, record.pod_uid, record.pod_container) == ("p", "n", "u", "c")
    assert (record.compose_project, record.compose_service, record.labels) == ("web", "db", {})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]},
            [("gpu", "device_request", None, "all", "nvidia")],
        ),
        (
            {"DeviceRequests": [{"Driver": "nvidia", "DeviceIDs": ["0", "GPU-5e41"], "Capabilities": [["gpu"]]}]},
            [("gpu", "device_request", None, "0", "nvidia"), ("gpu", "device_request", None, "GPU-5e41", "nvidia")],
        ),
        (
            {"DeviceRequests": [{"Driver": "", "Count": 2, "Capabilities": [["gpu"]]}]},
            [("gpu", "device_request", None, "count:2", "nvidia")],
        ),
        (
            {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["amd.com/gpu=1", "example.org/fpga=2", "a b"]}]},
            [("gpu", "cdi", None, "amd.com/gpu=1", "amd"), ("other", "cdi", None, "example.org/fpga=2", None)],
        ),
        ({"Devices": [{"PathOnHost": "nvidia.com/gpu=all"}]}, [("gpu", "cdi", None, "nvidia.com/gpu=all", "nvidia")]),
        (
            {
                "Devices": [
                    {"PathOnHost": "/dev/nvidia3"},
                    {"PathOnHost": "/dev/nvidia-uvm"},
                    {"PathOnHost": "/dev/dri/renderD128"},
                    {"PathOnHost": "/dev/dri/"},
                    {"PathOnHost": "/dev/kfd"},
                    {"PathOnHost": "/dev/infiniband/uverbs2"},
                    {"PathOnHost": "/dev/fuse"},
                    {"PathOnHost": None},
                ]
            },
            [
                ("gpu", "device", "/dev/nvidia3", None, "nvidia"),
                ("gpu", "device", "/dev/dri/renderD128", None, None),
                ("gpu", "device", "/dev/dri", None, None),
                ("gpu", "device", "/dev/kfd", None, "amd"),
                ("rdma", "device", "/dev/infiniband/uverbs2", None, None),
                ("other", "device", "/dev/nvidia-uvm", None, "nvidia"),
                ("other", "device", "/dev/fuse", None, None),
            ],
        ),
    ],
)
def test_devices_of_the_host_configuration(
    parts: dict[str, Any], expected: list[tuple[str, str, str | None, str | None, str | None]]
) -> None:
    """Requests, CDI names and device nodes are each told by what they are known by."""
    assert [(d.kind, d.evidence, d.path, d.request, d.vendor) for d in container(HostConfig=parts).devices] == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (["NVIDIA_VISIBLE_DEVICES=0,GPU-1, MIG-2"], ["NVIDIA_VISIBLE_DEVICES=0,GPU-1,MIG-2"]),
        (
            ["NVIDIA_VISIBLE_DEVICES=all", "CUDA_VISIBLE_DEVICES=0"],
            ["NVIDIA_VISIBLE_DEVICES=all", "CUDA_VISIBLE_DEVICES=0"],
        ),
        (["NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0"], ["NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0"]),
        (["NVIDIA_VISIBLE_DEVICES=void"], []),
        (["NVIDIA_VISIBLE_DEVICES="], []),
        (["HIP_VISIBLE_DEVICES=1", "ROCR_VISIBLE_DEVICES=3"], ["HIP_VISIBLE_DEVICES=1", "ROCR_VISIBLE_DEVICES=3"]),
        (["NVIDIA_VISIBLE_DEVICES=my password,$x,1"], ["NVIDIA_VISIBLE_DEVICES=1"]),
        (["ROCR_VISIBLE_DEVICES=0,hunter2,1"], ["ROCR_VISIBLE_DEVICES=0"]),
        (["HIP_VISIBLE_DEVICES=-1"], ["HIP_VISIBLE_DEVICES="]),
        (["CUDA_VISIBLE_DEVICES="], ["CUDA_VISIBLE_DEVICES="]),
        (["ROCR_VISIBLE_DEVICES=hunter2"], ["ROCR_VISIBLE_DEVICES="]),
        (["HIP_VISIBLE_DEVICES=1,-1,0"], ["HIP_VISIBLE_DEVICES=1"]),
        (["NVIDIA_VISIBLE_DEVICES=MIG-GPU-5e41/1/0"], ["NVIDIA_VISIBLE_DEVICES=MIG-GPU-5e41/1/0"]),
        (["CUDA_VISIBLE_DEVICES=MIG-GPU-5e41/1/0"], ["CUDA_VISIBLE_DEVICES=MIG-GPU-5e41/1/0"]),
        (["AMD_VISIBLE_DEVICES=0-3,0xEF2C1799A1F3E2ED"], ["AMD_VISIBLE_DEVICES=0-3,0xEF2C1799A1F3E2ED"]),
        (["MY_NVIDIA_VISIBLE_DEVICES=0", "GPU_DEVICE_ORDINAL=0"], []),
    ],
)
def test_devices_of_the_environment(variables: list[str], expected: list[str]) -> None:
    """A few variables alone are looked at, and of their values nothing but names of devices is kept."""
    devices = container(Config={"Env": variables}).devices
    assert [device.request for device in devices] == expected
    assert {device.evidence for device in devices} <= {"environment"}


@pytest.mark.parametrize(
    ("host", "given"),
    [
        ({"Runtime": "runc"}, False),
        ({"Runtime": "crun", "Devices": [{"PathOnHost": "/dev/fuse"}]}, False),
        ({"Runtime": "nvidia"}, True),
        ({"Runtime": "oci"}, True),
        ({}, True),
        ({"Runtime": "runc", "Privileged": True}, True),
        ({"Runtime": "runc", "Devices": [{"PathOnHost": "/dev/nvidia0"}]}, True),
        ({"Runtime": "runc", "DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}, True),
    ],
)
def test_a_runtime_that_heeds_no_variable(host: dict[str, Any], given: bool) -> None:
    """`all` gives GPUs unless the runtime is plain and nothing else gives any; what names or narrows is always told."""
    variables = ["NVIDIA_VISIBLE_DEVICES=all", "CUDA_VISIBLE_DEVICES=0"]
    requests = {device.request for device in container(HostConfig=host, Config={"Env": variables}).devices}
    assert [variable in requests for variable in variables] == [given, True]
    named = container(HostConfig=host, Config={"Env": ["NVIDIA_VISIBLE_DEVICES=0"]}).devices
    assert "NVIDIA_VISIBLE_DEVICES=0" in {device.request for device in named}


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ({"OCIRuntime": "crun"}, False),
        ({"OCIRuntime": "/usr/bin/crun", "HostConfig": {"Runtime": "oci"}}, False),
        ({"OCIRuntime": "runc", "HostConfig": {"Runtime": ""}}, False),
        ({"OCIRuntime": "nvidia", "HostConfig": {"Runtime": "oci"}}, True),
        ({"OCIRuntime": "runc", "HostConfig": {"Runtime": "nvidia"}}, True),
        ({"OCIRuntime": "crun", "HostConfig": {"Privileged": True}}, True),
        ({"OCIRuntime": None, "HostConfig": {"Runtime": "oci"}}, True),
    ],
)
def test_podmans_runtime(told: dict[str, Any], given: bool) -> None:
    """podman tells its OCI runtime in a field of its own: a plain one heeds no variable there either."""
    devices = container(**told, Config={"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}).devices
    assert bool(devices) is given


def test_devices_of_mounts() -> None:
    """Mounts under the toolkit's folder name devices, also by their CDI names."""
    folder = "/var/run/nvidia-container-devices"
    mounts = [{"Destination": path} for path in (f"{folder}/GPU-1", f"{folder}/cdi/nvidia.com/gpu/0", folder, "/data")]
    expected = [
        ContainerDevice(kind="gpu", evidence=evidence, request=request, vendor="nvidia")
        for evidence, request in (("mount", "GPU-1"), ("cdi", "nvidia.com/gpu=0"))
    ]
    assert list(container(Mounts=mounts).devices) == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [("/dev/infiniband", "rdma"), ("/dev/dri/renderD128", "gpu"), ("/dev/shm", None), ("/dev", None)],
)
def test_device_nodes_that_are_mounted(source: str, kind: str | None) -> None:
    """A mount of the host's device nodes gives these, wherever they lie in the container."""
    found = container(Mounts=[{"Type": "bind", "Source": source, "Destination": "/x"}]).devices
    assert [(device.kind, device.evidence, device.path) for device in found] == (
        [(kind, "mount", source)] if kind else []
    )


def test_devices_are_bounded() -> None:
    """No more than 256 devices of one container are kept, each once."""
    paths = [{"PathOnHost": f"/dev/d{number % 300}"} for number in range(1000)]
    assert len(container(HostConfig={"Devices": paths}).devices) == MAX_DEVICES


@pytest.mark.parametrize(("word", "state"), [*STATES.items(), ("Exited", "exited"), ("strange", "exited")])
def test_states(word: str, state: str) -> None:
    """Every word of either engine is one of the record's states."""
    assert container(State={"Status": word}).state == state


@pytest.mark.parametrize(
    ("told", "time"),
    [
        (None, None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-11-21T17:37:29Z", 1795282649.0),
        ("2026-11-21 17:37:29.25-01:30", 1795288049.25),
        ("2026-99-21T17:37:29Z", None),
        ("yesterday", None),
    ],
)
def test_times(told: str | None, time: float | None) -> None:
    """RFC 3339 with any offset and fraction; the year 1 and what is no time are none."""
    assert seconds(told) == time


def test_digests() -> None:
    """The image's name tells its digest best; podman leaves out the name of the hash."""
    assert digest("sha256:ab", "vllm@sha256:cd") == "sha256:cd"
    assert digest("1" * 64, "vllm:1") == f"sha256:{'1' * 64}"
    assert digest(None, "vllm:1") is None


def test_a_list_gives_up_bad_entries_alone() -> None:
    """An entry without an id or of another shape is counted, the others are whole."""
    body = json.dumps([{"Id": ID, "Names": ["/a"], "State": "running", "Image": "i"}, {"Id": "../x"}, 5, {"Names": 1}])
    listed = parse_list(body.encode(), "podman", (), "s")
    assert listed.malformed == 3
    assert listed.containers == (Container(runtime="podman", id=ID, name="a", image="i", state="running"),)


def test_a_linked_container_has_its_own_name() -> None:
    """Of the names in a list those below a container that is linked to it are not its own."""
    body = json.dumps([{"Id": ID, "Names": ["/web/db", "/db"], "State": "running"}, {"Id": ID, "Names": []}])
    assert [one.name for one in parse_list(body.encode(), "docker", (), "s").containers] == ["db", ID[:12]]


def test_a_complaint_shows_no_value() -> None:
    """Where a container cannot be read, the message holds nothing of its environment."""
    body = json.dumps({"Config": {"Env": ["TOKEN=hunter2"]}, "Id": 5}).encode()
    with pytest.raises(Malformed) as raised:
        parse_container(body, "docker", (), "s")
    assert "hunter2" not in str(raised.value)
    assert "TOKEN" not in str(raised.value)


@pytest.mark.parametrize("part", ["NanoCpus", "CpuQuota", "Memory", "PidsLimit"])
def test_endless_numbers_are_refused(part: str) -> None:
    """A number with 400 digits is malformed."""
    with pytest.raises(Malformed):
        container(HostConfig={part: 10**400})


@given(st.dictionaries(st.sampled_from(["Id", "State", "Config", "HostConfig", "Mounts", "Name"]), JSON), JSON)
def test_any_json(parts: dict[str, Any], other: Any) -> None:
    """Any JSON and any cut of it is a record or Malformed."""
    for value in ({"Id": ID} | parts, parts, other):
        for body in (json.dumps(value).encode(), json.dumps(value).encode()[:-1], json.dumps([value]).encode()):
            for parse in (parse_container, parse_list):
                try:
                    parse(body, "docker", ("a",), "s")
                except Malformed:
                    continue
