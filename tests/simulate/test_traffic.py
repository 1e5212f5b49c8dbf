"""Protocols, sockets and packets by CPU: in step with what the network devices count."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.simulate.machine import cpu_machine

SEEDS: Final = st.integers(-(2**64), 2**64)
TIMES: Final = st.floats(0.0, 1e9)
FEW: Final = settings(max_examples=25)
ETHERNET_BYTES: Final = 14


def devices(files: dict[str, bytes]) -> list[list[int]]:
    lines = files["proc/net/dev"].decode().splitlines()[2:]
    return [[int(number) for number in line.split(":")[1].split()] for line in lines]


def counters(files: dict[str, bytes]) -> dict[str, int]:
    """PROTOCOL_NAME -> number, of netstat, snmp and snmp6."""
    found: dict[str, int] = {}
    for file in ("netstat", "snmp"):
        lines = [line.split() for line in files[f"proc/net/{file}"].decode().splitlines()]
        for names, numbers in zip(lines[::2], lines[1::2], strict=True):
            assert names[0] == numbers[0]
            columns = zip(names[1:], numbers[1:], strict=True)
            found |= {f"{names[0][:-1]}_{name}": int(number) for name, number in columns}
    for line in files["proc/net/snmp6"].decode().splitlines():
        name, number = line.split()
        found[name.replace("6", "6_", 1)] = int(number)
    return found


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_octets_are_those_of_the_devices(seed: int, seconds: float) -> None:
    """IPv4 and IPv6 together have the devices' packets and bytes, without what Ethernet adds."""
    files = cpu_machine(seed).files(seconds)
    found = counters(files)
    for at, of, packets in ((0, "In", "InReceives"), (8, "Out", "OutRequests")):
        octets, frames = (sum(row[column] for row in devices(files)) for column in (at, at + 1))
        assert found[f"Ip_{packets}"] + found[f"Ip6_{packets}"] == frames
        both = found[f"IpExt_{of}Octets"] + found[f"Ip6_{of}Octets"]
        assert both == octets - frames * ETHERNET_BYTES


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_protocols_have_no_more_than_was_delivered(seed: int, seconds: float) -> None:
    """Segments, datagrams and messages are no more than the packets that they came in."""
    found = counters(cpu_machine(seed).files(seconds))
    delivered = found["Ip_InDelivers"] + found["Ip6_InDelivers"]
    udp = sum(found[f"{udp}_{name}"] for udp in ("Udp", "Udp6") for name in ("InDatagrams", "NoPorts", "InErrors"))
    assert found["Tcp_InSegs"] + udp + found["Icmp_InMsgs"] + found["Icmp6_InMsgs"] <= delivered
    assert found["Tcp_RetransSegs"] <= found["Tcp_OutSegs"]
    assert found["TcpExt_TCPTimeouts"] <= found["Tcp_RetransSegs"]
    assert found["Udp_RcvbufErrors"] <= found["Udp_InErrors"]


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_packets_by_cpu(seed: int, seconds: float) -> None:
    """All CPUs together handled what all devices received, in the 32 bits that the kernel has for each."""
    files = cpu_machine(seed).files(seconds)
    rows = [[int(word, 16) for word in line.split()] for line in files["proc/net/softnet_stat"].splitlines()]
    assert {len(line) for line in files["proc/net/softnet_stat"].splitlines()} == {15 * 9 - 1}
    assert [row[12] for row in rows] == list(range(16))
    received = sum(row[1] for row in devices(files))
    assert (sum(row[0] for row in rows) - received) % 2**32 == 0


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_sockets(seed: int, seconds: float) -> None:
    """Connections are sockets in use but for those that listen; no more are tracked than there is room for."""
    files = cpu_machine(seed).files(seconds)
    sockets = {
        line.split()[0]: int(line.split()[2])
        for file in ("sockstat", "sockstat6")
        for line in files[f"proc/net/{file}"].decode().splitlines()
    }
    established = counters(files)["Tcp_CurrEstab"]
    assert 0 < established < sockets["TCP:"] + sockets["TCP6:"] < sockets["sockets:"]
    assert sockets["UDP:"] == len(files["proc/net/udp"].splitlines()) - 1
    assert sockets["UDP6:"] == len(files["proc/net/udp6"].splitlines()) - 1
    tracked, room = (int(files[f"proc/sys/net/netfilter/nf_conntrack_{name}"]) for name in ("count", "max"))
    assert established <= tracked < room
    lines = [line.split() for line in files["proc/net/stat/nf_conntrack"].splitlines()]
    assert {len(line) for line in lines} == {17}
    assert {int(line[0], 16) for line in lines[1:]} == {tracked}
