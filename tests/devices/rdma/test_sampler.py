"""The RDMA sampler, and where it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.rdma.programs import ProgramRdma
from nodescope.devices.rdma.sampler import ABSENT_REST_S, INTERVAL_S, RdmaSampler
from nodescope.devices.rdma.sysfs import SysfsRdma
from nodescope.host import Absent
from tests.devices.rdma.fake_programs import FakePrograms
from tests.devices.rdma.rdma_node import RdmaNode


@pytest.fixture
def node(tmp_path: Path) -> RdmaNode:
    return RdmaNode(tmp_path)


@pytest.fixture
def fake(tmp_path: Path) -> FakePrograms:
    made = FakePrograms(tmp_path / "bin")
    made.whole()
    return made


def programs(fake: FakePrograms) -> ProgramRdma:
    return ProgramRdma(60.0, fake.rdma, fake.ibv_devinfo, limit_s=10.0)


def test_sysfs_comes_first(node: RdmaNode, fake: FakePrograms) -> None:
    """Where sysfs has devices no program is run."""
    node.device("mlx5_0")
    sampler = RdmaSampler(SysfsRdma(node.host, 60.0), lambda: programs(fake), everywhere=True)
    assert sampler.sample()[0].kind == "sysfs"
    assert fake.runs() == []
    assert sampler.rest_s == INTERVAL_S
    sampler.close()


def test_no_devices(node: RdmaNode, fake: FakePrograms) -> None:
    """Nothing is run for a machine that has none, and it is looked at less often."""
    sampler = RdmaSampler(SysfsRdma(node.host, 60.0), lambda: programs(fake))
    with pytest.raises(Absent):
        sampler.sample()
    assert fake.runs() == []
    assert sampler.rest_s == ABSENT_REST_S
    node.device("mlx5_0")
    assert sampler.sample()[0].devices == 1


def test_a_sysfs_that_cannot_be_read(node: RdmaNode, fake: FakePrograms) -> None:
    """The programs tell; without them the failure of sysfs is told."""
    node.link(node.sysfs / "class/infiniband", "infiniband")
    sampler = RdmaSampler(SysfsRdma(node.host, 60.0), lambda: programs(fake))
    assert sampler.sample()[0].kind == "rdma"
    sampler.close()
    for nothing in (None, lambda: ProgramRdma(60.0, "rdma-that-is-not-there", "")):
        with pytest.raises(OSError, match="infiniband"):
            RdmaSampler(SysfsRdma(node.host, 60.0), nothing).sample()


def test_programs_that_see_more(node: RdmaNode, fake: FakePrograms) -> None:
    """Those of a container's host are asked where sysfs has nothing, and programs alone always."""
    for sysfs in (SysfsRdma(node.host, 60.0), None):
        assert RdmaSampler(sysfs, lambda: programs(fake), everywhere=True).sample()[0].kind == "rdma"
