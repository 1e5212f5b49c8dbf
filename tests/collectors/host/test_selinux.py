from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.selinux import parse_config
from tests.collectors.host.machine import Machine, mangled, series

CONFIG = b"# This file controls SELinux.\n\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"
ENFORCE = "sys/fs/selinux/enforce"
ENABLED, CONFIGURED, CURRENT = (f"node_selinux_{name}" for name in ("enabled", "config_mode", "current_mode"))


def test_enforcing(machine: Machine) -> None:
    """Enabled, and the modes of the configuration and of now; what setenforce changes is seen at the next scrape."""
    machine.write(ENFORCE, b"1")
    machine.write("proc/self/attr/current", b"system_u:system_r:unconfined_service_t:s0\0")
    machine.write("root/etc/selinux/config", CONFIG)
    collector = machine.build("selinux")
    assert series(collector.collect()) == {ENABLED: 1, CONFIGURED: 1, CURRENT: 1}
    machine.write(ENFORCE, b"0\n")
    assert series(collector.collect()) == {ENABLED: 1, CONFIGURED: 1, CURRENT: 0}


def test_disabled(machine: Machine) -> None:
    """Without selinuxfs it is disabled, whatever the configuration says, and nothing else is shown."""
    machine.write("root/etc/selinux/config", CONFIG)
    assert series(machine.build("selinux").collect()) == {ENABLED: 0}


def test_no_policy(machine: Machine) -> None:
    """Until a policy is loaded every process is called kernel, and SELinux does nothing."""
    machine.write(ENFORCE, b"0")
    machine.write("proc/self/attr/current", b"kernel\0")
    assert series(machine.build("selinux").collect()) == {ENABLED: 0}


@pytest.mark.parametrize("data", [b"", b"x", b"2", b"-1", b"\xff"])
def test_an_odd_mode_costs_itself_alone(machine: Machine, data: bytes) -> None:
    """A mode that is neither 0 nor 1 is left out and counted; without a configuration its mode is -1."""
    machine.write(ENFORCE, data)
    collector = machine.build("selinux")
    assert series(collector.collect()) == {ENABLED: 1, CONFIGURED: -1}
    assert collector.left_out == 1


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (CONFIG, 1), (b"SELINUX=permissive", 0), (b"SELINUX=disabled\n", -1), (b"", -1), (b"SELINUX\n", -1),
        (b"#SELINUX=enforcing\n;SELINUX=enforcing\n", -1), (b'  SELINUX="enforcing"\t\r\n', 1), (b"SELINUX=1\n", -1),
        (b"SELINUXTYPE=enforcing\nSELINUX=permissive\nSELINUX=enforcing\n", 0), (b"SELINUX=Enforcing\n", 1),
    ],
)  # fmt: skip
def test_configuration(data: bytes, mode: int) -> None:
    """The first line SELINUX= says the mode; comments and other keys say nothing."""
    assert parse_config(data) == mode


@given(mangled(CONFIG))
def test_any_bytes(data: bytes) -> None:
    """Whatever the configuration holds, it is one of three modes."""
    assert parse_config(data) in (-1, 0, 1)
