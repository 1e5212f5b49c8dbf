from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.lnstat import parse_lnstat
from nodescope.host import Absent, Malformed
from nodescope.kernel.hexadecimal import hex_uint64, hex_uint64s
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

ARP = b"entries  allocs   hits\n00000014 00000001 0000000a\n00000014 0000000d 000000FF\n"
CONNTRACK = b"entries  clashres found\n00000021  00000000 00000001\n00000021  00000000 0000588a\n"
SYNPROXY = b"entries\t\tsyn_received\n00000000\t00000007\n00000000\t00000008\n"


def test_by_subsystem_and_cpu(machine: Machine) -> None:
    """Hexadecimal counters of every file, by the file's name and the number of the line."""
    machine.write("proc/net/stat/arp_cache", ARP)
    machine.write("proc/net/stat/nf_conntrack", CONNTRACK)
    machine.write("proc/net/stat/synproxy", SYNPROXY)
    collector = machine.build("lnstat")
    families = list(collector.collect())
    assert series(families) == {
        'node_lnstat_entries_total{subsystem="arp_cache",cpu="0"}': 20,
        'node_lnstat_entries_total{subsystem="arp_cache",cpu="1"}': 20,
        'node_lnstat_entries_total{subsystem="nf_conntrack",cpu="0"}': 33,
        'node_lnstat_entries_total{subsystem="nf_conntrack",cpu="1"}': 33,
        'node_lnstat_entries_total{subsystem="synproxy",cpu="0"}': 0,
        'node_lnstat_entries_total{subsystem="synproxy",cpu="1"}': 0,
        'node_lnstat_allocs_total{subsystem="arp_cache",cpu="0"}': 1,
        'node_lnstat_allocs_total{subsystem="arp_cache",cpu="1"}': 13,
        'node_lnstat_hits_total{subsystem="arp_cache",cpu="0"}': 10,
        'node_lnstat_hits_total{subsystem="arp_cache",cpu="1"}': 255,
        'node_lnstat_clashres_total{subsystem="nf_conntrack",cpu="0"}': 0,
        'node_lnstat_clashres_total{subsystem="nf_conntrack",cpu="1"}': 0,
        'node_lnstat_found_total{subsystem="nf_conntrack",cpu="0"}': 1,
        'node_lnstat_found_total{subsystem="nf_conntrack",cpu="1"}': 22666,
        'node_lnstat_syn_received_total{subsystem="synproxy",cpu="0"}': 7,
        'node_lnstat_syn_received_total{subsystem="synproxy",cpu="1"}': 8,
    }
    assert {(family.metric.type, family.metric.help) for family in families} == {
        ("counter", "linux network cache stats")
    }
    assert len({family.metric.name for family in families}) == len(families)
    assert collector.left_out == 0


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters that have changed are seen, CPUs and files that have come or gone too."""
    machine.write("proc/net/stat/arp_cache", ARP)
    machine.write("proc/net/stat/nf_conntrack", CONNTRACK)
    collector = machine.build("lnstat")
    before = list(collector.collect())
    assert collector.collect() == before
    machine.write("proc/net/stat/arp_cache", ARP.replace(b"0d", b"0e") + b"00000014 00000003 00000000\n")
    found = series(collector.collect())
    assert found['node_lnstat_allocs_total{subsystem="arp_cache",cpu="1"}'] == 14
    assert found['node_lnstat_allocs_total{subsystem="arp_cache",cpu="2"}'] == 3
    assert found['node_lnstat_found_total{subsystem="nf_conntrack",cpu="0"}'] == 1
    machine.remove("proc/net/stat/nf_conntrack")
    assert {name.partition('"')[2].partition('"')[0] for name in series(collector.collect())} == {"arp_cache"}
    machine.write("proc/net/stat/arp_cache", ARP[: ARP.rindex(b"00000014")])
    assert len(series(collector.collect())) == 3
    assert len(before[0].rows) == 4


@pytest.mark.parametrize(
    ("data", "expected", "left_out"),
    [
        (b"a b\n1 2\n3\n5 6\n", {'a="0"': 1, 'b="0"': 2, 'a="2"': 5, 'b="2"': 6}, 1),
        (b"a b\n1 2\n3 4 5\n5 6\n", {'a="0"': 1, 'b="0"': 2, 'a="2"': 5, 'b="2"': 6}, 1),
        (b"a b\n1 2\n-3 4\n0x5 6\n", {'a="0"': 1, 'b="0"': 2, 'b="1"': 4, 'b="2"': 6}, 2),
        (b"a a\n1 2\n", {'a="0"': 1}, 1),
        (b"a-b \xff\n1 2\n", {'a_b="0"': 1, '_="0"': 2}, 0),
        (b"a\nffffffffffffffff\n10000000000000000\n", {'a="0"': 2**64 - 1}, 1),
        (b"a b\n", {}, 0),
    ],
)
def test_broken_line(machine: Machine, data: bytes, expected: dict[str, int], left_out: int) -> None:
    """A line of another length costs its CPU, a bad number its own series; the other CPUs keep their numbers."""
    machine.write("proc/net/stat/x", data)
    collector = machine.build("lnstat")
    for _ in range(2):
        assert series(collector.collect()) == {
            f'node_lnstat_{key.partition("=")[0]}_total{{subsystem="x",cpu={key.partition("=")[2]}}}': value
            for key, value in expected.items()
        }
        assert collector.left_out == left_out


def test_one_file_broken(machine: Machine) -> None:
    """A file that is empty, or cannot be read, costs itself alone."""
    machine.write("proc/net/stat/arp_cache", ARP)
    machine.write("proc/net/stat/broken", b"")
    (machine.folder / "proc/net/stat/folder").mkdir()
    collector = machine.build("lnstat")
    assert len(series(collector.collect())) == 6
    assert collector.left_out == 2
    machine.write("proc/net/stat/broken", ARP)
    assert len(series(collector.collect())) == 12
    assert collector.left_out == 1


def test_malformed() -> None:
    """A file without a line of names is refused."""
    with pytest.raises(Malformed, match="arp_cache: expected a line of names"):
        parse_lnstat(b"\n \n", "arp_cache")


def test_absent(machine: Machine) -> None:
    """Without the folder there is nothing."""
    with pytest.raises(Absent):
        machine.build("lnstat").collect()


@given(mangled(ARP))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_lnstat(data, "arp_cache"))


@given(st.integers(0, 2**64 - 1))
def test_hexadecimal(value: int) -> None:
    """Numbers in upper and lower case, with and without leading zeros, are read back."""
    words = [f"{value:x}".encode(), f"{value:X}".encode(), f"{value:016x}".encode(), f"{value:024x}".encode()]
    assert hex_uint64s(words) == [hex_uint64(word) for word in words] == [value] * 4


@given(st.binary(max_size=20) | st.sampled_from([b"", b"0x1", b"1_0", b"+1", b" 1", b"1" * 17, b"0" * 65, b"g"]))
def test_hexadecimal_of_any_bytes(raw: bytes) -> None:
    """Only digits and a to f are a number."""
    found = hex_uint64(raw)
    assert (found is None) == (not raw.isalnum() or not all(c in b"0123456789abcdefABCDEF" for c in raw)
                               or len(raw) > 64 or int(raw, 16) >= 2**64)  # fmt: skip
    if raw:
        assert hex_uint64s([raw, b"1"]) == [found, 1]
