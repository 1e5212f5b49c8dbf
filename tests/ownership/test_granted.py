"""Which devices a container was given."""

from __future__ import annotations

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from nodescope.containers.oci.devices import by_environment
from nodescope.ownership.devices import Devices
from nodescope.ownership.granted import MAX_CONFLICT_CHARS, STRENGTH, granted
from nodescope.records.container import ContainerDevice
from tests.ownership.gpus import (
    AMD,
    AMD_MACHINE,
    MACHINE,
    MIG,
    NVIDIA,
    PARTS,
    XCP,
    A,
    B,
    amd,
    container,
    given,
    node,
)

ALL = [A, B, *MIG]
ENV = "environment"


def keys(*devices: ContainerDevice, privileged: bool = False) -> list[tuple[str, str]]:
    return [
        (grant.device.key, grant.evidence)
        for grant in granted(container(*devices, privileged=privileged), MACHINE).grants
    ]


def amd_keys(*devices: ContainerDevice) -> list[str]:
    return [grant.device.key for grant in granted(container(*devices), AMD_MACHINE).grants]


def nvidia_node(path: str, kind: str = "gpu", evidence: str = "device") -> ContainerDevice:
    return ContainerDevice(kind=kind, evidence=evidence, path=path, vendor="nvidia")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [("all", [AMD[0], *XCP]), ("0", [AMD[0]]), ("count:3", [AMD[0], *XCP]), ("count:1", [])],
)
def test_dockers_request_where_there_is_no_nvidia(request_: str, expected: list[str]) -> None:
    """`--gpus` names no vendor: where there are AMD's GPUs and none of NVIDIA's it is answered by AMD's runtime."""
    assert amd_keys(given("device_request", request_, vendor="nvidia")) == expected


def rocm(request: str) -> ContainerDevice:
    return given(ENV, request, vendor="amd")


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ((), []),
        ((given(ENV, "all"),), ALL),
        ((given(ENV, "NVIDIA_VISIBLE_DEVICES=all"),), ALL),
        ((given(ENV, f"DOCKER_RESOURCE_GPU={B[:8]}"),), []),
        ((given(ENV, f"DOCKER_RESOURCE_GPU={B[:11]}"),), [B]),
        ((given(ENV, "none"),), []),
        ((given(ENV, "void"),), []),
        ((given(ENV, ""),), []),
        ((given(ENV, "1,0"),), [A, B]),
        ((given(ENV, f"{B},2:1"),), [B, MIG[1]]),
        ((given(ENV, "nvidia.com/gpu=1,runtime.nvidia.com/gpu=0"),), [A, B]),
        ((given("cdi", "nvidia.com/gpu=0"),), [A]),
        ((given("cdi", f"nvidia.com/gpu={MIG[2]}"),), [MIG[2]]),
        ((given("cdi", "nvidia.com/gpu=all"),), ALL),
        ((given("cdi", "k8s.gpu.nvidia.com/claim=abc"),), []),
        ((given("cdi", "vendor.example/nic=0"),), []),
        ((given("device_request", "all"),), ALL),
        ((given("device_request", "count:-1"),), ALL),
        ((given("device_request", "count:5"),), ALL),
        ((given("device_request", "count:2"),), []),
        ((given("device_request", f"{A},{B}"),), [A, B]),
        ((given("mount", A),), [A]),
        ((node("/dev/nvidia0"), node("/dev/nvidiactl")), [A]),
        ((node("/dev/nvidia2"),), list(MIG)),
        ((node("/dev/nvidia2"), node("/dev/nvidia-caps/nvidia-cap31")), [MIG[2]]),
        ((node("/dev/infiniband/uverbs1", "rdma"),), ["mlx5_1"]),
        ((ContainerDevice(kind="rdma", evidence="pod_resources", request="0000:40:00.0"),), ["mlx5_0"]),
    ],
)
def test_each_evidence(devices: tuple[ContainerDevice, ...], expected: list[str]) -> None:
    """A list, a CDI name, a request, a mount or a node gives what it names, and nothing that it does not."""
    assert [key for key, _ in keys(*devices)] == expected


def test_the_strongest_evidence_tells_all() -> None:
    """What a stronger evidence names is what there is; a variable that says all is no contradiction."""
    asked = granted(container(given(ENV, "all"), given("device_request", "0"), node("/dev/nvidia0")), MACHINE)
    assert [(grant.device.key, grant.evidence, grant.conflict) for grant in asked.grants] == [(A, "device_request", "")]


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ((ContainerDevice(kind="gpu", evidence="mount", request="1", vendor="nvidia"),), [(B, "mount")]),
        ((nvidia_node("/dev/nvidia0"), nvidia_node("/dev/nvidiactl", "other")), [(A, "device")]),
        (
            (nvidia_node("/dev/nvidia0"), nvidia_node("/dev/nvidia2"), nvidia_node("/dev/nvidia-caps/nvidia-cap31")),
            [(A, "device"), (MIG[2], "device")],
        ),
        ((nvidia_node("/dev/nvidiactl", "other"),), [(key, "environment") for key in ALL]),
        ((node("/dev/dri/renderD128"),), [(key, "environment") for key in ALL]),
        (tuple(nvidia_node(f"/dev/nvidia{n}") for n in range(3)), [(key, "environment") for key in ALL]),
    ],
)
def test_all_by_variable_beside_nodes(devices: tuple[ContainerDevice, ...], expected: list[tuple[str, str]]) -> None:
    """A variable that says all is an image's where NVIDIA's nodes or mounts name some GPUs, and counts where not."""
    found = granted(container(given(ENV, "NVIDIA_VISIBLE_DEVICES=all"), *devices), MACHINE)
    assert [(grant.device.key, grant.evidence) for grant in found.grants] == expected
    assert {grant.conflict for grant in found.grants} == {""}


def test_all_by_variable_beside_nodes_of_a_privileged_container() -> None:
    """A privileged container sees all GPUs, whichever of their nodes are mounted into it."""
    mounted = nvidia_node("/dev/nvidia0", evidence="mount")
    found = keys(given(ENV, "NVIDIA_VISIBLE_DEVICES=all"), mounted, privileged=True)
    assert found == [(key, "environment") for key in ALL]


def test_all_by_variable_is_no_contradiction_beside_another_vendor() -> None:
    """On a node with GPUs of two vendors a variable that gives all of one contradicts nothing, too."""
    mixed = Devices((*NVIDIA, amd(AMD[0], 0)), PARTS)
    asked = granted(container(given(ENV, "NVIDIA_VISIBLE_DEVICES=all"), given("cdi", "nvidia.com/gpu=0")), mixed)
    assert [(grant.device.key, grant.conflict) for grant in asked.grants] == [(A, "")]


def test_a_contradiction_is_told() -> None:
    """Weaker evidence that names a further GPU is the conflict of what the stronger one names."""
    asked = granted(container(given("cdi", "nvidia.com/gpu=0"), node("/dev/nvidia1")), MACHINE)
    assert [(grant.device.key, grant.conflict) for grant in asked.grants] == [(A, f"device names {B}")]


def test_what_is_not_known_is_told() -> None:
    """A request that means nothing on this node is told of with its evidence."""
    assert granted(container(given("cdi", "nvidia.com/gpu=9"), given(ENV, "none,7")), MACHINE).unknown == (
        "cdi nvidia.com/gpu=9",
        "environment 7",
    )


def test_rdma_and_gpus_stand_beside_each_other() -> None:
    """Evidence of GPUs says nothing of RDMA devices."""
    found = keys(given("cdi", "nvidia.com/gpu=0"), node("/dev/infiniband/uverbs0", "rdma"))
    assert found == [(A, "cdi"), ("mlx5_0", "device")]


def test_a_privileged_container() -> None:
    """It holds nothing for being privileged, but what it chose of all that it sees."""
    assert keys(privileged=True) == []
    assert keys(node("/dev/nvidia0"), node("/dev/infiniband/uverbs0", "rdma"), privileged=True) == []
    assert keys(given("cdi", "nvidia.com/gpu=0"), privileged=True) == [(A, "cdi")]
    assert keys(given(ENV, "CUDA_VISIBLE_DEVICES=1"), privileged=True) == [(B, ENV)]
    assert keys(given(ENV, "CUDA_VISIBLE_DEVICES=1")) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ((), [AMD[0], *XCP]),
        (("ROCR_VISIBLE_DEVICES=0,2",), [AMD[0], XCP[1]]),
        (("1,2",), list(XCP)),
        (("1", "2"), list(XCP)),
        (("ROCR_VISIBLE_DEVICES=1,2", "HIP_VISIBLE_DEVICES=1"), [XCP[1]]),
        (("HIP_VISIBLE_DEVICES=1", "ROCR_VISIBLE_DEVICES=1,2"), [XCP[1]]),
        (("ROCR_VISIBLE_DEVICES=GPU-DEADBEEF00000001",), [AMD[0]]),
        (("HIP_VISIBLE_DEVICES=-1",), []),
        (("HIP_VISIBLE_DEVICES=0,9,1",), [AMD[0]]),
        (("CUDA_VISIBLE_DEVICES=0",), [AMD[0], *XCP]),
    ],
)
def test_rocm_variables_choose_among_what_was_given(variables: tuple[str, ...], expected: list[str]) -> None:
    """Numbers of ROCR count what was given, those of HIP what ROCR left; the first that means nothing ends the list."""
    nodes = [node(f"/dev/dri/renderD{number}") for number in (138, 137, 136)]
    assert amd_keys(*nodes, *map(rocm, variables)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("all", [AMD[0], *XCP]),
        ("All", [AMD[0], *XCP]),
        ("1", [XCP[0]]),
        ("0-1", [AMD[0], XCP[0]]),
        ("1-2", list(XCP)),
        ("2,0", [AMD[0], XCP[1]]),
        ("1-9", list(XCP)),
        ("2-1", []),
        ("9", []),
        ("0xDEADBEEF00000001", [AMD[0]]),
        ("deadbeef00000002", list(XCP)),
        ("none", []),
        ("", []),
    ],
)
def test_what_amds_runtime_gives(value: str, expected: list[str]) -> None:
    """Its variable has indices, ranges of them, which count partitions, and the numbers of GPUs."""
    assert amd_keys(*by_environment([b"AMD_VISIBLE_DEVICES=" + value.encode()])) == expected


def test_what_amds_runtime_gave_is_chosen_from() -> None:
    """ROCR's numbers count what AMD's runtime gave."""
    assert amd_keys(*by_environment([b"AMD_VISIBLE_DEVICES=1-2", b"ROCR_VISIBLE_DEVICES=1"])) == [XCP[1]]


def test_amds_cdi_names_count_partitions() -> None:
    """The entries that amd-ctk makes are numbered as its variable numbers."""
    assert amd_keys(given("cdi", "amd.com/gpu=2", vendor="amd")) == [XCP[1]]
    assert amd_keys(given("cdi", "amd.com/gpu=all", vendor="amd")) == [AMD[0], *XCP]


@pytest.mark.parametrize("variable", [b"HIP_VISIBLE_DEVICES=-1", b"ROCR_VISIBLE_DEVICES=", b"HIP_VISIBLE_DEVICES=x"])
def test_a_variable_that_hides_all(variable: bytes) -> None:
    """Read from the environment, it leaves none of the GPUs that the container was given, nor makes it one of GPUs."""
    (hiding,) = by_environment([variable])
    assert hiding.kind == "other"
    assert amd_keys(node("/dev/dri/renderD136"), node("/dev/kfd"), hiding) == []


@pytest.mark.parametrize(
    ("devices", "request_"),
    [
        ((given(ENV, "NVIDIA_VISIBLE_DEVICES=0"),), "NVIDIA_VISIBLE_DEVICES=0"),
        ((given("cdi", "nvidia.com/gpu=0"),), "nvidia.com/gpu=0"),
        ((given("device_request", "0"),), "0"),
        ((node("/dev/nvidia0"),), ""),
        ((given("pod_resources", A),), ""),
        ((node("/dev/nvidia0"), node("/dev/nvidia1"), given(ENV, "CUDA_VISIBLE_DEVICES=0")), "CUDA_VISIBLE_DEVICES=0"),
        ((given("device_request", "9" * 900 + ",0"),), "9" * 200),
    ],
)
def test_the_words_of_the_evidence(devices: tuple[ContainerDevice, ...], request_: str) -> None:
    """Each grant has the words that name it, and those of the variable that took others away; bounded."""
    (grant,) = granted(container(*devices), MACHINE).grants
    assert (grant.device.key, grant.request) == (A, request_)


def test_partitions_go_by_the_words_of_their_gpu() -> None:
    """What names a whole GPU is the evidence of each of its partitions."""
    found = granted(container(given("cdi", "nvidia.com/gpu=2")), MACHINE).grants
    assert {(grant.device.key, grant.request) for grant in found} == {(key, "nvidia.com/gpu=2") for key in MIG}


def test_a_privileged_container_shows_its_variables() -> None:
    """What it chose is told by both variables by which it did."""
    variables = [rocm("ROCR_VISIBLE_DEVICES=0,1,2"), rocm("HIP_VISIBLE_DEVICES=0")]
    (grant,) = granted(container(*variables, privileged=True), AMD_MACHINE).grants
    assert (grant.device.key, grant.evidence) == (AMD[0], ENV)
    assert grant.request == "ROCR_VISIBLE_DEVICES=0,1,2; HIP_VISIBLE_DEVICES=0"


def test_variables_do_not_take_from_an_allocation() -> None:
    """What a plugin allocated is held, also where the program uses but a part of it."""
    found = keys(given("pod_resources", A), given("pod_resources", B), given(ENV, "CUDA_VISIBLE_DEVICES=0"))
    assert found == [(A, "pod_resources"), (B, "pod_resources")]


WORDS = st.sampled_from(
    ["0", "1", "2:1", "all", "none", A, B, MIG[0], "nvidia.com/gpu=1", "count:2", "HIP_VISIBLE_DEVICES="]
)
DEVICES = st.builds(
    ContainerDevice,
    kind=st.sampled_from(["gpu", "rdma", "other"]),
    evidence=st.sampled_from([*STRENGTH, "odd"]),
    path=st.none()
    | st.sampled_from(["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap12", "/dev/dri/renderD137"])
    | st.text(),
    request=st.none() | st.lists(WORDS | st.text(max_size=9), max_size=4).map(",".join),
    vendor=st.sampled_from([None, "nvidia", "amd", "intel"]),
)


@hypothesis_given(st.lists(DEVICES, max_size=6), st.booleans())
def test_any_devices(devices: list[ContainerDevice], privileged: bool) -> None:
    """Whatever is told of a container, each device is granted once at most, and texts are bounded."""
    for machine in (MACHINE, AMD_MACHINE):
        found = granted(container(*devices, privileged=privileged), machine)
        granted_keys = [grant.device.key for grant in found.grants]
        assert len(granted_keys) == len(set(granted_keys))
        assert all(len(grant.conflict) <= MAX_CONFLICT_CHARS for grant in found.grants)
        assert all(len(word) <= MAX_CONFLICT_CHARS for word in found.unknown)
