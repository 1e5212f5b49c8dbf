"""NVMe controllers and paths in text."""

from __future__ import annotations

import time
from pathlib import Path

from nodescope.collectors.nvme_fabrics import source
from nodescope.collectors.nvme_fabrics.nvme_fabrics import build
from nodescope.collectors.parts import Parts
from nodescope.settings import Settings
from tests.collectors.host.machine import series
from tests.devices.test_nvme import NQN, TCP, NvmeMachine, fabrics

LONG_S = 20.0
SETTINGS = Settings({"collector.nvme_fabrics.interval": 15.0}, {}, ())


def collected(machine: NvmeMachine) -> dict[str, float]:
    loop = source.loop(Parts(machine.host, SETTINGS))
    collector = build(machine.host, SETTINGS, loop)
    assert loop.first(time.monotonic() + LONG_S)
    families = collector.collect()
    loop.stop()
    assert collector.left_out == 0
    assert {family.metric for family in families} <= set(collector.metrics)
    return series(families)


def test_fabrics(tmp_path: Path) -> None:
    """How a controller is reached, its state, and the state of each path; never is infinity."""
    machine = NvmeMachine(tmp_path)
    fabrics(machine)
    found = collected(machine)
    assert {key: value for key, value in found.items() if 'controller="nvme2"' in key} == {
        'nodescope_nvme_controller_info{controller="nvme2",model="",serial="",firmware_version="",transport="tcp",'
        f'address="{TCP}",subsystem="nvme-subsys1",nqn="{NQN}",numa_node=""}}': 1,
        'nodescope_nvme_controller_state{controller="nvme2",transport="tcp",state="connecting"}': 1,
        'nodescope_nvme_controller_live{controller="nvme2"}': 0,
        'nodescope_nvme_controller_reconnect_delay_seconds{controller="nvme2"}': 10,
        'nodescope_nvme_controller_loss_timeout_seconds{controller="nvme2"}': float("inf"),
        'nodescope_nvme_path_state{namespace="nvme1n1",controller="nvme2",subsystem="nvme-subsys1",'
        'state="inaccessible"}': 1,
    }
    assert found['nodescope_nvme_controller_live{controller="nvme0"}'] == 1
    assert found['nodescope_nvme_controller_queues{controller="nvme0"}'] == 33
    info = 'nodescope_nvme_namespace_info{namespace="nvme1n1",subsystem="nvme-subsys1",nsid="7",wwid="uuid.0a"}'
    assert found[info] == 1


def test_an_unknown_state(tmp_path: Path) -> None:
    """A controller whose state cannot be read has no state, and is neither live nor not."""
    machine = NvmeMachine(tmp_path)
    machine.controller("nvme0", state="")
    assert [key.partition("{")[0] for key in collected(machine)] == ["nodescope_nvme_controller_info"]
