"""Which resources are GPUs, and how those of a pod's containers add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.kubelet.gpu_resources import MAX_QUANTITY, Asked, effective, gpus, quantity, share, whole_gpus

GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("resource", "part"),
    [
        ("nvidia.com/gpu", 1.0),
        ("nvidia.com/gpu.shared", 1.0),
        ("amd.com/gpu", 1.0),
        ("rocm.amd.com/gpu", 1.0),
        ("gpu.intel.com/i915", 1.0),
        ("gpu.intel.com/xe", 1.0),
        ("nvidia.com/mig-1g.10gb", 1 / 7),
        ("nvidia.com/mig-3g.40gb", 3 / 7),
        ("nvidia.com/mig-1g.10gb.me", 1 / 7),
        ("nvidia.com/mig-2g.12gb", 1 / 2),
        ("nvidia.com/mig-4g.96gb", 1.0),
        ("nvidia.com/mig-4g.96gb.gfx", 1.0),
        ("nvidia.com/mig-2g.48gb", 1 / 2),
        ("nvidia.com/mig-2g.48gb.me.all", 1 / 2),
        ("nvidia.com/mig-2g.48gb-me", 1 / 2),
        ("nvidia.com/mig-1g.24gb", 1 / 7),
        ("nvidia.com/mig-1g.24gb.shared", 1 / 7),
        ("nvidia.com/mig-1g.24gb+gfx", 1 / 4),
        ("nvidia.com/mig-1g.24gb.me.shared", 1 / 4),
        ("nvidia.com/mig-1g.24gb-me", 1 / 4),
        ("nvidia.com/mig-3g.48gb", 3 / 7),
        ("amd.com/cpx_nps4", 1 / 8),
        ("amd.com/spx_nps1", 1.0),
        ("cpu", None),
        ("nvidia.com/gpu.memory", None),
        ("nvidia.com/mig-strategy", None),
        ("gpu.intel.com/i915_monitoring", None),
        ("gpu.intel.com/millicores", None),
        ("gpu.intel.com/memory.max", None),
        ("amd.com/abc_nps1", None),
        ("evil.example/nvidia.com/gpu", None),
    ],
)
def test_shares(resource: str, part: float | None) -> None:
    """GPUs are counted whole, partitions by their part, what is no GPU or gives but a look at one is not counted."""
    assert share(resource) == part


@pytest.mark.parametrize(
    ("told", "number"),
    [("1", 1), (8, 8), ("1k", 1000), ("2.0", 2), ("0", 0), ("500m", None), ("-1", None), ("", None), (True, None),
     (None, None), ([], None), ("9999999999", None), (MAX_QUANTITY + 1, None), ("٣", None)],
)  # fmt: skip
def test_quantities(told: Any, number: int | None) -> None:
    """Whole numbers of devices are read, and everything else is unknown."""
    assert quantity(told) == number


@given(st.dictionaries(st.text(max_size=40) | st.just(GPU), st.none() | st.integers() | st.text(max_size=12)))
def test_any_resources(amounts: dict[str, Any]) -> None:
    """Whatever stands among resources, what is found of GPUs is at least one and no more than the limit."""
    assert all(0 < number <= MAX_QUANTITY for number in gpus(amounts).values())


@pytest.mark.parametrize(
    ("containers", "held"),
    [
        ([("container", 2), ("container", 1)], 3),
        ([("init", 4), ("container", 1)], 4),
        ([("init", 4), ("init", 4), ("container", 1)], 4),
        ([("init", 1), ("container", 2), ("container", 2)], 4),
        ([("sidecar", 1), ("container", 2)], 3),
        ([("init", 3), ("sidecar", 1), ("container", 1)], 3),
        ([("sidecar", 1), ("init", 3), ("container", 1)], 4),
        ([("sidecar", 1), ("init", 2), ("sidecar", 1), ("container", 1)], 3),
        ([("init", 0), ("container", 0)], 0),
    ],
)
def test_what_is_held_for_a_pod(containers: list[tuple[str, int]], held: int) -> None:
    """Init containers run alone but for the sidecars before them: the most that any moment needs is held."""
    asked = [Asked(kind, {GPU: number} if number else {}) for kind, number in containers]
    assert effective(asked).get(GPU, 0) == held


def test_resources_do_not_mix() -> None:
    """The rule holds for each resource by itself, and parts of GPUs sum to GPUs."""
    asked = [Asked("init", {GPU: 3}), Asked("container", {GPU: 1, "nvidia.com/mig-1g.10gb": 7})]
    assert effective(asked) == {GPU: 3, "nvidia.com/mig-1g.10gb": 7}
    assert whole_gpus(effective(asked), {}) == pytest.approx(4.0)


def test_partitions_under_the_name_of_gpus() -> None:
    """Where all GPUs of a vendor are partitioned what is called a GPU is a partition; of another vendor it is a GPU."""
    held = {"amd.com/gpu": 16, GPU: 2, "amd.com/cpx_nps4": 8}
    assert whole_gpus(held, {"amd": 1 / 8}) == pytest.approx(2 + 2 + 1)
