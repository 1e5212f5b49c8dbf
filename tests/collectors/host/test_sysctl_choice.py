from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.sysctl_choice import choice_of, paths_of
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("kernel.pid_max", ("kernel/pid_max",)),
        ("kernel/pid_max", ("kernel/pid_max",)),
        ("net.ipv4.conf.eth0/1.forwarding", ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0/1/forwarding")),
        ("net/ipv4/conf/eth0.1/forwarding", ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0/1/forwarding")),
        ("pid_max", ("pid_max",)),
    ],
)
def test_separators(name: str, paths: tuple[str, ...]) -> None:
    """The separator that comes first is that of folders; a name with both may mean folders at both."""
    assert paths_of(name) == paths


@pytest.mark.parametrize("given", ["", ":a", ".", "..", "../x", "a/../b", "a..b", "/a", "a/", "a.", "a\0b", "a.b/"])
def test_no_name(given: str) -> None:
    """A name that is no path below /proc/sys is refused."""
    with pytest.raises(ValueError, match="a kernel setting's name"):
        choice_of(given, True)


@pytest.mark.parametrize("given", ["a:", "a:b,", "a:,b", "a:b-c", "a:b c", "a:\u00e9", "a:" + ",".join(["b"] * 1025)])
def test_no_fields(given: str) -> None:
    """Fields that cannot be part of a metric's name are refused."""
    with pytest.raises(ValueError, match="NAME:FIELD"):
        choice_of(given, True)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("fs.file-nr", "node_sysctl_fs_file_nr"),
        ("a_._b", "node_sysctl_a_b"),
        ("net.ipv4.conf.eth0/1.x", "node_sysctl_net_ipv4_conf_eth0_1_x"),
    ],
)
def test_metric_name(name: str, metric: str) -> None:
    """What cannot be in a metric's name becomes one underscore, with those around it."""
    assert choice_of(name, True).metric_name == metric


@pytest.mark.parametrize("key", ["include", "include-info"])
@pytest.mark.parametrize("given", ["..", "a:b,b", "a:"])
def test_setting_is_named(machine: Machine, key: str, given: str) -> None:
    """A choice that cannot be understood ends the start; the message names the setting, its origin and the value."""
    with pytest.raises(SettingsError, match=rf"collector\.sysctl\.{key} \(flag .*\): expected .*, got '{given}'"):
        machine.build("sysctl", {key: ["kernel.pid_max", given]})


@pytest.mark.parametrize("given", [["a.b", "a-b"], ["a.b:c,d", "a:b_c,x"], ["a.b:c,d", "a.b.c"]])
def test_same_metric(machine: Machine, given: list[str]) -> None:
    """Two choices that would be one metric end the start."""
    with pytest.raises(SettingsError, match="only one of those that would be node_sysctl_a_b"):
        machine.build("sysctl", {"include": given})


@given(st.text() | st.from_regex(r"[a-z./:,_]*", fullmatch=True))
def test_any_text(given: str) -> None:
    """Whatever is chosen, it stays below /proc/sys or is refused."""
    with contextlib.suppress(ValueError):
        for path in choice_of(given, True).paths:
            assert not path.startswith("/")
            assert ".." not in path.split("/")
