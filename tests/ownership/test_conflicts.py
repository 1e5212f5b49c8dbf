"""Every kind of contradiction about who holds a GPU, and what is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nodescope.containers.pod_resources.client import PodDevices
from nodescope.ownership.claims import claims
from nodescope.ownership.holder import Holder, of_container
from nodescope.records.container import Container
from tests.ownership.gpus import MACHINE, A, B, C, container, given

IN_POD: Final[dict[str, Any]] = {"pod_namespace": "ml", "pod_container": "main", "id": "1" * 64}
WEB: Final = container(given("device_request", "0"), name="web")


def allocated(pod: str, *devices: str) -> PodDevices:
    return PodDevices(pod, "ml", "main", "nvidia.com/gpu", devices)


def found(
    containers: Sequence[Container],
    allocations: Sequence[PodDevices] = (),
    used: Mapping[str, Mapping[str, Holder]] | None = None,
) -> dict[tuple[str, str], str]:
    """Device, and pod or container -> conflict."""
    told = claims(containers, MACHINE, allocations, used)
    return {(claim.device, claim.pod_name or claim.container or ""): claim.conflict for claim in told.claims}


def test_two_that_were_each_given_it_alone() -> None:
    """Where the kubelet gave one whole GPU to two pods, both are told so, each with the other's name."""
    assert found((), [allocated("a", A), allocated("b", A)]) == {
        (A, "a"): "also held by ml/b",
        (A, "b"): "also held by ml/a",
    }


def test_a_process_where_it_was_not_given() -> None:
    """Who uses a GPU beside its own is told so of that GPU; of the ones it was given there is nothing to say."""
    used = {B: {WEB.id: of_container(WEB)}}
    told = found([WEB], (), used)
    assert told[A, "web"] == ""
    assert "not among the devices" in told[B, "web"]


def test_a_process_on_what_is_someone_elses() -> None:
    """A user's process on a GPU that a pod has alone is a conflict of both."""
    user = Holder("user:ada", user="ada")
    told = found((), [allocated("a", A)], {A: {user.key: user}})
    assert told == {(A, "a"): "also held by user:ada", (A, ""): "also held by ml/a"}


def test_a_variable_against_the_allocation() -> None:
    """A variable that names a GPU beside those that the kubelet allocated is told; "all" is but a default of images."""
    for value, conflict in (("1", f"environment names {B}"), ("all", ""), ("0", "")):
        pod = container(given("environment", f"NVIDIA_VISIBLE_DEVICES={value}"), name="x", pod_name="a", **IN_POD)
        assert found([pod], [allocated("a", A)]) == {(A, "a"): conflict}


def test_what_may_be_shared() -> None:
    """Docker gives a GPU to as many as ask for it, and a plugin's shares of one are no contradiction."""
    other = container(given("device_request", "0"), name="other")
    assert set(found([WEB, other]).values()) == {""}
    shares = [allocated("a", f"{A}::0"), allocated("b", f"{A}::1")]
    assert set(found((), shares).values()) == {""}
    assert C not in {device for device, _ in found((), shares)}
