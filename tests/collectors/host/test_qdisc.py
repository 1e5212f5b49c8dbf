from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.qdisc import QdiscCollector, parse_fixture
from nodescope.host import Absent, Malformed
from nodescope.kernel.qdiscs import QdiscSocket
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series
from tests.kernel.network_namespace import in_a_network_namespace, ip
from tests.kernel.test_qdiscs import NAME, NEWER, qdisc

FQ = {"IfaceName": "wlan0", "Kind": "fq", "Bytes": 42, "Packets": 4, "Requeues": 1, "Drops": 2, "Qlen": 5}
PFIFO = {"IfaceName": "eth0", "Kind": "pfifo_fast", "Bytes": 2**63, "Overlimits": 6, "Backlog": 7}


def fixture(machine: Machine, *entries: Any, **settings: str) -> QdiscCollector:
    machine.write("qdisc/results.json", json.dumps(entries))
    collector = machine.build("qdisc", {"fixtures": f"{machine.folder}/qdisc/", **settings})
    assert isinstance(collector, QdiscCollector)
    return collector


def of(found: dict[str, float], device: str) -> dict[str, float]:
    """Name without node_qdisc_ and labels -> number, of one device."""
    return {
        name.removeprefix("node_qdisc_").partition("{")[0]: number
        for name, number in found.items()
        if f'device="{device}"' in name
    }


def test_a_fixture(machine: Machine) -> None:
    """Each discipline has its device and kind; what a fixture does not say is 0; only roots are shown."""
    found = series(fixture(machine, FQ, PFIFO, {**FQ, "IfaceName": "eth1", "Parent": 65537}).collect())
    assert found['node_qdisc_bytes_total{device="wlan0",kind="fq"}'] == 42
    assert of(found, "wlan0") == {
        "bytes_total": 42, "packets_total": 4, "drops_total": 2, "requeues_total": 1, "overlimits_total": 0,
        "current_queue_length": 5, "backlog": 0,
    }  # fmt: skip
    assert of(found, "eth0")["bytes_total"] == 2**63
    assert not of(found, "eth1")


@pytest.mark.parametrize(
    "broken",
    [{**PFIFO, "Bytes": -1}, {**PFIFO, "Bytes": "1"}, {**PFIFO, "Drops": True}, {**PFIFO, "IfaceName": 5}, 5, {}, FQ,
     {**PFIFO, "Bytes": 2**64}, {**PFIFO, "Bytes": 1.5}, {**PFIFO, "Parent": None}],
)  # fmt: skip
def test_a_broken_entry(machine: Machine, broken: Any) -> None:
    """An entry that is not as documented, or is there twice, is left out and counted; its siblings stay."""
    collector = fixture(machine, FQ, broken)
    assert of(series(collector.collect()), "wlan0")["bytes_total"] == 42
    assert not of(series(collector.collect()), "eth0")
    assert collector.left_out == 1


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b"[" * 100_000, b'["\xff"', b"[1e9999999999", b"9" * 5000])
def test_malformed(machine: Machine, data: bytes) -> None:
    """What is no list is refused, and the message names the file."""
    collector = fixture(machine)
    machine.write("qdisc/results.json", data)
    with pytest.raises(Malformed, match=r"qdisc/results.json: expected a JSON list"):
        collector.collect()


def test_absent(machine: Machine) -> None:
    """Without the fixture there is nothing."""
    with pytest.raises(Absent):
        machine.build("qdisc", {"fixtures": f"{machine.folder}/nowhere"}).collect()


def test_odd_text(machine: Machine) -> None:
    """Half a surrogate and bytes that are no UTF-8 are shown as replacement characters."""
    found = series(fixture(machine, {**FQ, "IfaceName": "a\ud800b"}).collect())
    assert of(found, "a\ufffdb")


def test_filters(machine: Machine) -> None:
    """Include and exclude search in the name; both together are refused."""
    assert not of(series(fixture(machine, FQ, PFIFO, **{"device-exclude": "wlan"}).collect()), "wlan0")
    assert not of(series(fixture(machine, FQ, PFIFO, **{"device-include": "wlan"}).collect()), "eth0")
    with pytest.raises(SettingsError, match="cannot be used together"):
        fixture(machine, **{"device-include": "a", "device-exclude": "b"})


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the numbers of its moment, and what is gone is gone; a family that stays equal stays itself."""
    collector = fixture(machine, FQ, PFIFO)
    first = collector.collect()
    machine.write("qdisc/results.json", json.dumps([{**FQ, "Bytes": 43}, PFIFO]))
    second = collector.collect()
    assert [a is b for a, b in zip(first, second, strict=True)] == [False, *[True] * 6]
    assert of(series(second), "wlan0")["bytes_total"] == 43
    machine.write("qdisc/results.json", json.dumps([PFIFO]))
    assert not of(series(collector.collect()), "wlan0")
    machine.write("qdisc/results.json", "[]")
    assert collector.collect() == []


class Kernel(QdiscSocket):
    """A kernel whose disciplines are written here."""

    def __init__(self, *payloads: bytes, more: int = 0) -> None:
        super().__init__()
        self.answer = list(payloads), more

    def payloads(self) -> tuple[list[bytes], int]:
        return self.answer


def test_a_broken_message(machine: Machine) -> None:
    """A message that cannot be read is left out and counted, as are those beyond the limit; its siblings stay.

    A device that is gone behind the dump has no row, which is no fault.
    """
    kernel = Kernel(qdisc(NAME, NEWER, link=1), bytes(3), qdisc(NAME), qdisc(NAME, NEWER, link=2**31 - 1), more=1)
    collector = QdiscCollector(machine.host, DeviceFilter(None, None), None, kernel)
    for _ in range(2):
        assert len(series(collector.collect())) == 7
        assert collector.left_out == 3


def test_over_netlink(machine: Machine) -> None:
    """Each device that is up has its root, as devices come and go."""
    collector = machine.build("qdisc")

    def found() -> list[dict[str, float]]:
        ip("link add first type veth peer name second", "link set first up", "link set second up")
        before = series(collector.collect())
        ip("link del first")
        return [before, series(collector.collect())]

    before, after = in_a_network_namespace(found)
    assert of(before, "first").keys() == of(before, "second").keys() >= {"bytes_total", "backlog"}
    assert not of(after, "first")


@given(mangled(json.dumps([FQ, PFIFO]).encode()))
def test_any_bytes(data: bytes) -> None:
    """Whatever the fixture holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_fixture(data, "results.json"))
