"""nodescope.containers.cgroup.network: interfaces in containers' network namespaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given

from nodescope.containers.cgroup.network import MAX_INTERFACES, ContainerNetworks, parse_net_dev
from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.host import Host, Malformed
from nodescope.records.container import ContainerNetwork
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses
from tests.containers.cgroup.trees import ID, OTHER

HEAD = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
    b"compressed\n"
)
LO = b"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0   0 0\n"
NET_DEV = HEAD + LO + b"  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n"
ETH0 = {
    "receive_bytes": 1000, "receive_packets": 10, "receive_errors": 1, "receive_dropped": 2,
    "transmit_bytes": 2000, "transmit_packets": 20, "transmit_errors": 3, "transmit_dropped": 4,
}  # fmt: skip
STAT = "{} (a) S" + " 1" * 18 + " {}" + " 0" * 20 + "\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    put(machine, 1, "/init.scope", HEAD + b"  ens1: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n")
    return machine


def put(machine: Machine, pid: int, cgroup: str, net_dev: bytes | int, start: int = 5) -> None:
    """A process, its net/dev that of another one's namespace where that is a pid."""
    machine.write(f"proc/{pid}/stat", STAT.format(pid, start))
    machine.write(f"proc/{pid}/cgroup", f"0::{cgroup}\n")
    if isinstance(net_dev, bytes):
        machine.write(f"proc/{pid}/net/dev", net_dev)
    else:
        (machine.folder / f"proc/{pid}/net").mkdir(parents=True)
        os.link(machine.folder / f"proc/{net_dev}/net/dev", machine.folder / f"proc/{pid}/net/dev")


def networks(machine: Machine) -> ContainerNetworks:
    return ContainerNetworks(machine.host, ProcessCgroups(machine.host))


def test_interfaces_of_a_container(machine: Machine) -> None:
    """Each interface in the container's own namespace but its loopback is told, the host's are not."""
    put(machine, 7, f"/docker/{ID}", NET_DEV)
    found = networks(machine).read({ID: 7})
    namespace = (machine.folder / "proc/7/net/dev").stat().st_ino
    assert found == [ContainerNetwork(id=ID, interface="eth0", namespace=namespace, **ETH0)]


def test_the_hosts_network(machine: Machine) -> None:
    """A container on the host's network has no interfaces of its own."""
    put(machine, 7, f"/docker/{ID}", 1)
    reader = networks(machine)
    assert reader.read({ID: 7}) == []
    assert reader.left_out == 0


def test_a_container_without_interfaces(machine: Machine) -> None:
    """One that has but its loopback is told as such; one whose table cannot be read, or is the host's, is not."""
    put(machine, 7, f"/docker/{ID}", HEAD + LO)
    put(machine, 8, f"/docker/{OTHER}", b"odd\n")
    put(machine, 9, "/docker/" + "c" * 64, 1)
    reader = networks(machine)
    assert reader.read({ID: 7, OTHER: 8, "c" * 64: 9}) == []
    assert (reader.without, reader.left_out) == (frozenset({ID}), 1)
    assert reader.read({}) == []
    assert reader.without == frozenset()


def test_containers_that_share_a_namespace(machine: Machine) -> None:
    """Those of one pod each tell of its interfaces, and that they share them."""
    put(machine, 7, f"/docker/{ID}", NET_DEV)
    put(machine, 8, f"/docker/{OTHER}", 7)
    found = networks(machine).read({ID: 7, OTHER: 8})
    assert [(row.id, row.interface) for row in found] == [(ID, "eth0"), (OTHER, "eth0")]
    assert len({row.namespace for row in found}) == 1


def test_a_pid_that_is_used_again(machine: Machine) -> None:
    """A process of another container, or none at all, is not taken for the one that had its pid before."""
    put(machine, 7, f"/docker/{ID}", NET_DEV)
    reader = networks(machine)
    assert reader.read({ID: 7})
    machine.remove("proc/7")
    assert reader.read({ID: 7}) == []
    put(machine, 7, f"/docker/{OTHER}", NET_DEV, start=6)
    assert reader.read({ID: 7}) == []
    machine.remove("proc/7")
    put(machine, 7, "/user.slice", 1, start=7)
    assert reader.read({ID: 7}) == []
    assert reader.left_out == 0


def test_a_path_that_names_none(machine: Machine) -> None:
    """Where cgroups name no container for certain the runtime's word for the pid counts."""
    put(machine, 7, "/default/redis", NET_DEV)
    assert len(networks(machine).read({"redis": 7})) == 1


def test_one_broken_among_healthy_ones(machine: Machine) -> None:
    """A container whose file is malformed is left out and counted, the others are told."""
    put(machine, 7, f"/docker/{ID}", NET_DEV)
    put(machine, 8, f"/docker/{OTHER}", b"no table\n")
    put(machine, 9, "/x", NET_DEV)
    machine.write("proc/9/cgroup", "what\n")
    reader = networks(machine)
    assert {row.id for row in reader.read({ID: 7, OTHER: 8, "third": 9})} == {ID}
    assert reader.left_out == 2


def test_without_the_hosts_own(machine: Machine) -> None:
    """Where the host's namespace is not known nothing is told, for it could be the host's."""
    put(machine, 7, f"/docker/{ID}", NET_DEV)
    machine.remove("proc/1")
    reader = networks(machine)
    assert reader.read({ID: 7}) == []
    assert reader.left_out == 1


def test_this_process() -> None:
    """A real kernel's file is read: the loopback interface is there, or there is no interface at all."""
    pid = os.getpid()
    table = parse_net_dev(Host().read_once(f"/proc/{pid}/net/dev"), "net/dev")
    assert not table or "lo" in table


def test_names_and_bounds() -> None:
    """An alias's colon is part of its name; more columns than known are well; interfaces are bounded."""
    row = b" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
    assert list(parse_net_dev(HEAD + b"eth0:1:" + row, "dev")) == ["eth0:1"]
    many = HEAD + b"".join(b"veth%d:%b" % (number, row) for number in range(MAX_INTERFACES + 2))
    assert len(parse_net_dev(many, "dev")) == MAX_INTERFACES


@pytest.mark.parametrize("data", [b"", b"a\nb\n", HEAD + b"eth0: 1 2 3\n", HEAD + b"eth0 1\n", HEAD + b": 1\n"])
def test_no_such_table(data: bytes) -> None:
    """A file of another form is refused by name."""
    with pytest.raises(Malformed, match="dev: expected two lines of headings"):
        parse_net_dev(data, "dev")


@given(mangled(NET_DEV))
def test_any_table(data: bytes) -> None:
    """Whatever the file says, it is refused or its counts are of 64 bits."""

    def parse() -> None:
        for counts in parse_net_dev(data, "dev").values():
            assert all(0 <= count < 2**64 for count in counts.values())

    parses_or_refuses(parse)
