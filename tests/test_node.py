"""What the REST API answers from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope import configuration
from nodescope.measurement import Measurement
from nodescope.node import CONTAINERS, MeasuredNode
from nodescope.records.dri import DriDevice
from nodescope.records.gpu_snapshot import Gpu, GpuHealth
from nodescope.records.health import DeviceHealth
from nodescope.records.pci import PciDevice
from nodescope.records.rdma import RdmaDevice
from nodescope.simulate.amd_tree import write_mi300x
from nodescope.simulate.rdma_tree import write_rdma

SAMPLED_S = 20.0


@pytest.fixture
def measurement(tmp_path: Path) -> Iterator[Measurement]:
    write_mi300x(tmp_path, 2)
    write_rdma(tmp_path, 2)
    flags = {"path.procfs": f"{tmp_path}/proc", "path.sysfs": f"{tmp_path}/sys", "path.rootfs": str(tmp_path)}
    made = Measurement(configuration.load(flags, {}), {"all": ("gpu", "rdma", "pci", "link_health")})
    yield made
    made.stop()


def test_before_anything_is_sampled(measurement: Measurement) -> None:
    """Nothing has records or an age, and nobody waits."""
    node = MeasuredNode(measurement)
    for sampled in (node.gpus(), node.rdma(), node.pci(), node.health(), node.amd_static(), node.pods()):
        assert (sampled.records, sampled.age_seconds) == ((), None)
    assert node.driver_versions() == {}


def test_what_was_sampled(measurement: Measurement) -> None:
    """Each kind of record comes from its sampler, with its age; a vendor that is not there costs nothing."""
    node = MeasuredNode(measurement)
    node.dri()
    measurement.start()
    measurement.first_samples(SAMPLED_S)
    assert len([gpu for gpu in node.gpus().records if type(gpu) is Gpu]) == 2
    assert len([device for device in node.rdma().records if type(device) is RdmaDevice]) == 2
    assert "gpu" in {device.kind for device in node.pci().records if type(device) is PciDevice}
    assert {type(record) for record in node.health().records} <= {GpuHealth, DeviceHealth}
    assert node.driver_versions().keys() == {"amd"}
    age = node.gpus().age_seconds
    assert age is not None
    assert 0 <= age < SAMPLED_S


def test_the_dri_mapping_is_sampled_when_it_is_asked_for(measurement: Measurement) -> None:
    """Its sampler starts with the first request."""
    node = MeasuredNode(measurement)
    node.dri()
    assert measurement.parts.loops["nodescope.collectors.dri_source"].first(time.monotonic() + SAMPLED_S)
    assert {type(record) for record in node.dri().records} == {DriDevice}


def test_what_no_collector_measures_is_not_there(tmp_path: Path) -> None:
    """A node whose GPU collector is off tells of no GPU, and starts no sampler for it."""
    write_mi300x(tmp_path, 1)
    flags = {"path.procfs": f"{tmp_path}/proc", "path.sysfs": f"{tmp_path}/sys", "path.rootfs": str(tmp_path)}
    made = Measurement(configuration.load(flags, {}), {"all": ("loadavg",)})
    made.start()
    node = MeasuredNode(made)
    assert node.gpus().records == ()
    assert made.loops == {}
    made.stop()


@pytest.mark.parametrize(
    ("flags", "follows"),
    [
        ({}, False),
        ({"collector.container.follow": "true"}, True),
        ({"collector.container.follow": "true", "collector.container.enabled": "false"}, False),
    ],
)
def test_containers_that_no_listener_shows(tmp_path: Path, flags: dict[str, str], follows: bool) -> None:
    """They are followed where the settings say so, from the start and not from the first request on."""
    roots = {"path.procfs": f"{tmp_path}/proc", "path.sysfs": f"{tmp_path}/sys", "path.rootfs": str(tmp_path)}
    made = Measurement(configuration.load({**roots, **flags}, {}), {"all": ("loadavg",)})
    node = MeasuredNode(made)
    assert (CONTAINERS in made.parts.loops) == follows
    if follows:
        assert made.parts.loops[CONTAINERS].first(time.monotonic() + SAMPLED_S)
    assert node.pods().records == ()
    made.stop()
