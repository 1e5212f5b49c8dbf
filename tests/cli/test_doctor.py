"""nodescope.cli.doctor: what to do about what is missing."""

from __future__ import annotations

import pytest

from nodescope import collectors
from nodescope.cli.doctor import absent_action
from nodescope.settings.host import HOST

OF_DEVICES = sorted(collectors.BY_NAME.keys() - {collects.name for collects in HOST})
# What these read is there on every Linux: where it is not, it is the host's mounts that are missing.
ALWAYS_THERE = frozenset({"listening_ports", "link_health", "machine", "pci"})


@pytest.mark.parametrize("name", OF_DEVICES)
def test_each_has_a_word_of_its_own(name: str) -> None:
    """Who misses GPUs, RDMA, containers or a kubelet is told what makes them appear, not to look at host mounts."""
    assert ("check --path.procfs" in absent_action(name)) == (name in ALWAYS_THERE)


@pytest.mark.parametrize(
    "name", ["btrfs", "edac", "kernel_hung", "powersupplyclass", "swap", "tcpstat", "thermal_zone", "watchdog", "xfs"]
)
def test_what_many_kernels_lack_is_no_lost_mount(name: str) -> None:
    """A host's own collector that reads what not every kernel has says what would bring it."""
    assert "check --path.procfs" not in absent_action(name)


@pytest.mark.parametrize(
    ("name", "driver", "other"),
    [
        ("gpu_rocm", "amdgpu", "nvidia"),
        ("gpu_conductor", "amdgpu", "nvidia"),
        ("gpu_dcgm", "nvidia", "amdgpu"),
        ("gpu_worker", "nvidia", "amdgpu"),
        ("gpu_epic", "nvidia", "amdgpu"),
        ("rdma", "mlx5_ib", "nvidia"),
    ],
)
def test_the_driver_is_the_vendors(name: str, driver: str, other: str) -> None:
    """The driver to load is that of the devices which the collector shows."""
    assert driver in absent_action(name)
    assert other not in absent_action(name)


def test_all_vendors() -> None:
    """Where any GPU would do, the drivers of all vendors are named."""
    for driver in ("nvidia", "amdgpu", "i915", "xe"):
        assert driver in absent_action("gpu")
