from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.zoneinfo import parse_protection, parse_zone, zones_of
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

KERNEL_5 = b"""\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 95612
      nr_mapped    423143
      nr_dirtied   1189097
  pages free     2949
        min      8
        low      11
        high     14
        spanned  4095
        present  3997
        managed  3973
        protection: (0, 2039, 31932)
      nr_free_pages 2949
      nr_kernel_stack 0
      numa_hit     1
  pagesets
    cpu: 0
              count: 0
              high:  7
              batch: 1
  vm stats threshold: 8
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Normal
  pages free     528427
        min      1078
        low      1600
        high     2122
        spanned  1044480
        present  546847
        managed  530339
        protection: (0, 0, 0)
      nr_free_pages 528427
      numa_hit     13
  pagesets
    cpu: 0
              count: 357
  node_unreclaimable:  0
"""
KERNEL_6_12 = b"""\
Node 1, zone  Movable
  per-node stats
      nr_kernel_stack 1632
      nr_page_table_pages 886
      pgpromote_success 0
  pages free     3840
        boost    0
        min      47
        low      58
        high     69
        promo    80
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, -1)
  pagesets
    cpu: 0
              high_min: 29
"""


def of(node: int, zone: str, **numbers: int) -> dict[str, float]:
    return {f'node_zoneinfo_{name}{{node="{node}",zone="{zone}"}}': number for name, number in numbers.items()}


DMA = of(
    0, "DMA", nr_inactive_anon_pages=95612, nr_mapped_pages=423143, nr_dirtied_total=1189097, min_pages=8, low_pages=11,
    high_pages=14, spanned_pages=4095, present_pages=3997, managed_pages=3973, nr_free_pages=2949, nr_kernel_stacks=0,
    numa_hit_total=1, protection_0=0, protection_1=2039, protection_2=31932,
)  # fmt: skip
NORMAL = of(
    0, "Normal", min_pages=1078, low_pages=1600, high_pages=2122, spanned_pages=1044480, present_pages=546847,
    managed_pages=530339, nr_free_pages=528427, numa_hit_total=13, protection_0=0, protection_1=0, protection_2=0,
)  # fmt: skip


def test_two_zones(machine: Machine) -> None:
    """Each zone has its numbers, its protections by place, and nothing of the page sets of CPUs."""
    machine.write("proc/zoneinfo", KERNEL_5)
    collector = machine.build("zoneinfo")
    assert series(collector.collect()) == {**DMA, **NORMAL}
    assert collector.left_out == 0


def test_newer_kernel(machine: Machine) -> None:
    """Words that are not known are passed over, and a protection may be below zero."""
    machine.write("proc/zoneinfo", KERNEL_6_12)
    collector = machine.build("zoneinfo")
    assert series(collector.collect()) == of(
        1, "Movable", nr_kernel_stacks=1632, min_pages=47, low_pages=58, high_pages=69, spanned_pages=4095,
        present_pages=3998, managed_pages=3840, protection_0=0, protection_1=-1,
    )  # fmt: skip
    assert collector.left_out == 0


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (b"low      11", b"low      x", "low_pages"),
        (b"low      11", b"low", "low_pages"),
        (b"low      11", b"low      -1", "low_pages"),
        (b"low      11", b"low      18446744073709551616", "low_pages"),
        (b"(0, 2039, 31932)", b"(0, 2039, x)", "protection_"),
        (b"(0, 2039, 31932)", b"(0, 2039", "protection_"),
        (b"(0, 2039, 31932)", b"", "protection_"),
    ],
)
def test_one_line_broken(machine: Machine, before: bytes, after: bytes, gone: str) -> None:
    """A line that is not as it should be costs itself alone, and is counted at each scrape."""
    machine.write("proc/zoneinfo", KERNEL_5.replace(before, after))
    collector = machine.build("zoneinfo")
    for _ in range(2):
        rest = {name: number for name, number in DMA.items() if f"zoneinfo_{gone}" not in name}
        assert series(collector.collect()) == {**rest, **NORMAL}
        assert collector.left_out == 1


@pytest.mark.parametrize("name", [b"Node x, zone      DMA", b"Node 0", b"Node 0, zone", b"Node 0, zone   Normal"])
def test_one_zone_broken(machine: Machine, name: bytes) -> None:
    """A zone that is not known by name, or was there before, costs itself alone and is counted."""
    machine.write(
        "proc/zoneinfo", KERNEL_5 + KERNEL_5.replace(b"Node 0, zone      DMA", name).split(b"\nNode")[0] + b"\n"
    )
    collector = machine.build("zoneinfo")
    assert series(collector.collect()) == {**DMA, **NORMAL}
    assert collector.left_out == 1


def test_line_twice(machine: Machine) -> None:
    """Of a number that a zone has twice the first counts."""
    machine.write("proc/zoneinfo", KERNEL_5.replace(b"low      11", b"low      11\n        low      12"))
    collector = machine.build("zoneinfo")
    assert series(collector.collect()) == {**DMA, **NORMAL}
    assert collector.left_out == 1


def test_changes(machine: Machine) -> None:
    """A second scrape has the new numbers, without the zone that went."""
    machine.write("proc/zoneinfo", KERNEL_5)
    collector = machine.build("zoneinfo")
    collector.collect()
    machine.write("proc/zoneinfo", KERNEL_5.replace(b"nr_free_pages 2949", b"nr_free_pages 2950"))
    assert series(collector.collect()) == {**DMA, **NORMAL, **of(0, "DMA", nr_free_pages=2950)}
    machine.write("proc/zoneinfo", b"Node" + KERNEL_5.split(b"\nNode")[1])
    assert series(collector.collect()) == NORMAL


@pytest.mark.parametrize("data", [b"", b"Node 0, zone DMA\n", b"\xff\xfe", KERNEL_5[:12]])
def test_malformed(machine: Machine, data: bytes) -> None:
    """A file without a zone is refused, and the message names it."""
    machine.write("proc/zoneinfo", data)
    with pytest.raises(Malformed, match="proc/zoneinfo: expected zones"):
        machine.build("zoneinfo").collect()


def test_absent(machine: Machine) -> None:
    """Without the file there is nothing."""
    with pytest.raises(Absent):
        machine.build("zoneinfo").collect()


@given(mangled(KERNEL_5))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    for part in zones_of(data):
        parses_or_refuses(lambda part=part: parse_zone(part, "zoneinfo"))  # type: ignore[misc]


@given(mangled(b"(0, 2039, 31932)"))
def test_any_protection(data: bytes) -> None:
    """Whatever is between the brackets, there are numbers or none."""
    assert all(isinstance(number, int) for number in parse_protection(data))
