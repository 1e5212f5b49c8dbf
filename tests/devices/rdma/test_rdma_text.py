"""What the program rdma prints."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.rdma.program_records import Told
from nodescope.devices.rdma.rdma_text import (
    link_layers,
    parse_devices,
    parse_links,
    parse_statistics,
    parse_statistics_json,
)
from nodescope.host import Malformed
from nodescope.kernel.number import UINT64_MAX
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.devices.rdma.fake_programs import DEV, LINK, STATISTIC, STATISTIC_JSON

GUID = "a088:c203:005a:f21e"


def counter(device: str, port: int | None, name: str, value: int) -> RdmaCounter:
    return RdmaCounter(device=device, port=port, group="hw_counters", counter=name, value=value)


def test_devices() -> None:
    """Index, name, kind, firmware and GUIDs; the kind as the kernel writes it."""
    told = Told()
    parse_devices(DEV.encode(), "rdma", told)
    assert list(told.devices.values()) == [
        RdmaDevice(
            name="mlx5_0", index=3, node_type="CA", firmware_version="28.39.2048", node_guid=GUID, sys_image_guid=GUID
        ),
        RdmaDevice(name="mlx5_1", index=4, node_type="CA", firmware_version="28.39.2048"),
    ]
    assert link_layers(DEV.encode(), "rdma") == {"mlx5_0": "Ethernet", "mlx5_1": "InfiniBand"}


def test_links() -> None:
    """Ports by device and number, in both spellings of their name; states as the kernel words them."""
    told = Told()
    parse_links(LINK.encode(), "rdma", told, {"mlx5_1": "InfiniBand"})
    assert list(told.ports.values()) == [
        RdmaPort(
            device="mlx5_0", port=1, state="ACTIVE", state_value=4, physical_state="LinkUp", physical_state_value=5,
            netdev="enp19s0",
        ),
        RdmaPort(
            device="mlx5_1", port=1, link_layer="InfiniBand", state="DOWN", state_value=1, physical_state="Polling",
            physical_state_value=2, lid=17, sm_lid=1,
        ),
    ]  # fmt: skip


def test_what_is_not_as_documented_is_left_out() -> None:
    """An entry without a name or a port is counted, a value of another kind is unknown."""
    told = Told()
    parse_devices(b'[{"ifindex":1},{"ifname":"a","ifindex":-1,"fw":5,"node_type":"x","node_guid":"y"}]', "rdma", told)
    parse_links(b'[{"ifname":"a"},{"ifname":"a","port":999},{"ifname":"a/x"},{"ifname":"a","port":1,"state":"UNKNOWN"}]',
                "rdma", told, {})  # fmt: skip
    assert told.devices == {"a": RdmaDevice(name="a")}
    assert told.ports == {("a", 1): RdmaPort(device="a", port=1)}
    assert told.left_out == 4


@pytest.mark.parametrize("data", [b"{}", b"[1]", b"No such device", b'[{"ifname":', b"[" * 100_000, b'["\xff"]'])
def test_no_json(data: bytes) -> None:
    """What is no array of objects is refused, and named."""
    for parse in (
        lambda: parse_devices(data, "rdma dev show -j", Told()),
        lambda: parse_statistics_json(data, "rdma dev show -j"),
    ):
        with pytest.raises(Malformed, match="rdma dev show -j: expected"):
            parse()


@pytest.mark.parametrize("data", [b"", b"\n", b"[ ]\n", b"[]"])
def test_no_device(data: bytes) -> None:
    """No output, or an empty list, is no counter and no link."""
    assert parse_statistics_json(data, "rdma") == ([], 0)
    assert link_layers(data, "rdma") == {}


def test_statistics_in_both_forms() -> None:
    """The same counters, from text and from JSON."""
    known = [
        counter("mlx5_0", 1, "rx_write_requests", 10), counter("mlx5_0", 1, "out_of_buffer", 7),
        counter("mlx5_1", 1, "rx_write_requests", 11), counter("mlx5_1", 1, "out_of_buffer", 0),
    ]  # fmt: skip
    assert parse_statistics(STATISTIC.encode(), "rdma") == (known, 0)
    assert parse_statistics_json(STATISTIC_JSON.encode(), "rdma") == (known, 0)


@pytest.mark.parametrize(
    ("text", "counters", "left_out"),
    [
        (b"", [], 0),
        (b"link mlx5_0/1 \n", [], 0),
        (b"link mlx5_0/1 \n    a 1\n    b 2\n", [("mlx5_0", 1, "a", 1), ("mlx5_0", 1, "b", 2)], 0),
        (b"link siw0 a 1", [("siw0", None, "a", 1)], 0),
        (b"link mlx5_0/1 a -5 b 2 c x", [("mlx5_0", 1, "b", 2)], 2),
        (b"link mlx5_0/1 a 1 b", [("mlx5_0", 1, "a", 1)], 1),
        (b"link mlx5_0/1 a 18446744073709551616 b 18446744073709551615", [("mlx5_0", 1, "b", UINT64_MAX)], 1),
        (b"link mlx5_0/999 a 1", [("mlx5_0", None, "a", 1)], 0),
        (b"link mlx5_0/1 a link link mlx5_1/1 a 1", [("mlx5_1", 1, "a", 1)], 1),
        (b"link", [], 1),
        (b"link link", [], 0),
    ],
)  # fmt: skip
def test_the_grammar_of_statistics(text: bytes, counters: list[tuple[str, int, str, int]], left_out: int) -> None:
    """Names and values in turn, over lines; what is no count is left out, and a port that is none is not known."""
    assert parse_statistics(text, "rdma") == ([counter(*known) for known in counters], left_out)


def test_text_that_is_none_of_statistics() -> None:
    """What is no statistics is refused with what was expected."""
    with pytest.raises(Malformed, match="rdma statistic show: expected link"):
        parse_statistics(b"kernel answers: Operation not permitted\n", "rdma statistic show")


def test_counters_in_json_that_are_none() -> None:
    """Negative, too large, fractions and words are left out, and so is one without a device."""
    data = b'[{"ifname":"a","port":1,"x":-1,"y":1.5,"z":"1","w":18446744073709551616,"v":true,"u":1},{"port":1,"x":1}]'
    assert parse_statistics_json(data, "rdma") == ([counter("a", 1, "u", 1)], 6)


@given(mangled(STATISTIC.encode()) | mangled(STATISTIC_JSON.encode()) | mangled(DEV.encode()) | mangled(LINK.encode()))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are read, or refused."""
    for parse in (parse_statistics, parse_statistics_json):
        parses_or_refuses(lambda parse=parse: parse(data, "rdma"))  # type: ignore[misc]
    parses_or_refuses(lambda: parse_devices(data, "rdma", Told()))
    parses_or_refuses(lambda: parse_links(data, "rdma", Told(), {}))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.sampled_from(["ifname", "port", "ifindex", "fw", "state", "x"]), ANYTHING)))
def test_any_json(entries: list[dict[str, object]]) -> None:
    """Whatever the objects hold, they are read without an error."""
    data = msgspec.json.encode(entries)
    told = Told()
    parse_devices(data, "rdma", told)
    parse_links(data, "rdma", told, link_layers(data, "rdma"))
    found, _ = parse_statistics_json(data, "rdma")
    assert all(0 <= known.value <= UINT64_MAX and known.device for known in found)
