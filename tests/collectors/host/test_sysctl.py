from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors import build
from nodescope.collectors.host.sysctl import number_of, parse_sysctl
from nodescope.collectors.host.sysctl_choice import choice_of
from nodescope.configuration import load
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, OneFile, mangled, parses_or_refuses, series

SYS = {
    "kernel/threads-max": "7801\n",
    "fs/file-nr": "1024\t0\t1631329\n",
    "kernel/seccomp/actions_avail": "kill_process trap \xff\n",
    "kernel/hostname": "gpu-1\n",
}


@pytest.fixture
def kernel(machine: Machine) -> Machine:
    for path, content in SYS.items():
        machine.write(f"proc/sys/{path}", content.encode("latin-1"))
    return machine


def info(name: str, value: str, index: str) -> str:
    return f'node_sysctl_info{{name="{name}",value="{value}",index="{index}"}}'


def test_numbers(kernel: Machine) -> None:
    """One number has no label, several go by their place, or by the fields that are given."""
    chosen = ["kernel.threads-max", "fs.file-nr", "fs.file-nr:total,current,max"]
    collector = kernel.build("sysctl", {"include": chosen})
    assert series(collector.collect()) == {
        "node_sysctl_kernel_threads_max": 7801,
        'node_sysctl_fs_file_nr{index="0"}': 1024,
        'node_sysctl_fs_file_nr{index="1"}': 0,
        'node_sysctl_fs_file_nr{index="2"}': 1631329,
        "node_sysctl_fs_file_nr_total": 1024,
        "node_sysctl_fs_file_nr_current": 0,
        "node_sysctl_fs_file_nr_max": 1631329,
    }
    families = list(collector.collect())
    assert {family.metric.type for family in families} == {"untyped"}
    assert families[2].metric.help == "sysctl fs.file-nr, field 0"


def test_texts(kernel: Machine) -> None:
    """Each word of a text has its place; bytes that are no text are one replacement character."""
    chosen = ["kernel.seccomp.actions_avail", "kernel.hostname"]
    assert series(kernel.build("sysctl", {"include-info": chosen}).collect()) == {
        info("kernel.seccomp.actions_avail", "kill_process", "0"): 1,
        info("kernel.seccomp.actions_avail", "trap", "1"): 1,
        info("kernel.seccomp.actions_avail", "\ufffd", "2"): 1,
        info("kernel.hostname", "gpu-1", "0"): 1,
    }


def test_fields_of_texts(kernel: Machine) -> None:
    """Fields of a text take the place of its numbers."""
    assert series(kernel.build("sysctl", {"include-info": ["fs.file-nr:total,current,max"]}).collect()) == {
        info("fs.file-nr", "1024", "total"): 1,
        info("fs.file-nr", "0", "current"): 1,
        info("fs.file-nr", "1631329", "max"): 1,
    }


@pytest.mark.parametrize("folder", ["eth0.1", "eth0/1"])
def test_dot_in_a_name(machine: Machine, folder: str) -> None:
    """A slash between dots stands for a dot, or for a folder where there is none of that name."""
    machine.write(f"proc/sys/net/ipv4/conf/{folder}/forwarding", "1\n")
    chosen = {"include": ["net.ipv4.conf.eth0/1.forwarding"]}
    assert series(machine.build("sysctl", chosen).collect()) == {"node_sysctl_net_ipv4_conf_eth0_1_forwarding": 1}


@pytest.mark.parametrize(
    "chosen",
    ["kernel.none", "kernel.hostname", "kernel", "fs.file-nr:a,b", "kernel.threads-max:only", "kernel.threads-max:a,b",
     "kernel.empty"],
)  # fmt: skip
def test_one_broken(kernel: Machine, chosen: str) -> None:
    """A setting that is not there, is no number, or has not as many values as fields, costs itself alone."""
    kernel.write("proc/sys/kernel/empty", "\n")
    collector = kernel.build("sysctl", {"include": [chosen, "kernel.threads-max"], "include-info": ["kernel.hostname"]})
    for _ in range(2):
        assert series(collector.collect()) == {
            "node_sysctl_kernel_threads_max": 7801,
            info("kernel.hostname", "gpu-1", "0"): 1,
        }
        assert collector.left_out == 1


def test_chosen_twice(kernel: Machine) -> None:
    """What is chosen twice is shown once."""
    chosen = {"include": ["kernel.threads-max"] * 2, "include-info": ["kernel.hostname"] * 2}
    collector = kernel.build("sysctl", chosen)
    assert len(series(collector.collect())) == 2
    assert sum(len(family.rows) for family in collector.collect()) == 2


def test_nothing_chosen(machine: Machine) -> None:
    """Nothing chosen is nothing shown."""
    assert machine.build("sysctl").collect() == []


@pytest.mark.parametrize(
    ("raw", "number"),
    [(b"-1", -1), (b"0x10", 16), (b"010", 8), (b"18446744073692774399", 18446744073692774399),
     (b"-9223372036854775808", -(2**63)), (b"-9223372036854775809", None), (b"+1", None), (b"1_0", None), (b"", None),
     (b"--1", None), (b"-", None)],
)  # fmt: skip
def test_number(raw: bytes, number: int | None) -> None:
    """A number may be below zero, have its base in front, and is at most 2**64-1."""
    assert number_of(raw) == number


def test_changes(kernel: Machine) -> None:
    """A second scrape has the new number, not what went, and another count of values under the same name."""
    collector = kernel.build("sysctl", {"include": ["kernel.threads-max", "fs.file-nr"]})
    collector.collect()
    kernel.write("proc/sys/kernel/threads-max", "7802\n")
    kernel.write("proc/sys/fs/file-nr", "5\n")
    assert series(collector.collect()) == {"node_sysctl_kernel_threads_max": 7802, "node_sysctl_fs_file_nr": 5}
    kernel.remove("proc/sys/fs/file-nr")
    assert series(collector.collect()) == {"node_sysctl_kernel_threads_max": 7802}


def test_malformed(kernel: Machine) -> None:
    """Where nothing that was chosen is as it was said to be, the message says of one what was expected."""
    with pytest.raises(Malformed, match="proc/sys/kernel/hostname: expected numbers; a text is for include-info"):
        kernel.build("sysctl", {"include": ["kernel.hostname"]}).collect()


def test_absent(machine: Machine) -> None:
    """Where nothing that was chosen is there, there is nothing."""
    with pytest.raises(Absent):
        machine.build("sysctl", {"include": ["kernel.threads-max"]}).collect()


def test_permission_denied() -> None:
    """Where nothing that was chosen may be read, that is said."""
    host = OneFile()
    host.data = PermissionError(13, "Permission denied")
    with pytest.raises(PermissionError):
        build("sysctl", host, load({"collector.sysctl.include": ["vm.compact_memory"]}, {})).collect()


@given(mangled(b"1024\t0 1631329\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    for given_choice in ("a.b", "a.b:c,d"):
        for is_number in (True, False):
            choice = choice_of(given_choice, is_number)
            parses_or_refuses(lambda choice=choice: parse_sysctl(data, choice, "a/b"))  # type: ignore[misc]
