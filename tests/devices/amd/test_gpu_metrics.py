"""The binary file gpu_metrics: every layout, as it is written and as it is broken."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodescope.devices.amd import gpu_metrics_reading
from nodescope.devices.amd.gpu_metrics import decode, decode_partition
from nodescope.devices.amd.gpu_metrics_attributes import ARRAYS, MAX_ATTRIBUTES, NAMES
from nodescope.devices.amd.gpu_metrics_layouts import HEADER, PARTITION_TABLES, SIZES, TABLES, Field, Table, layout
from nodescope.kernel.file import Malformed
from nodescope.simulate.amd_gpu_metrics import encode, encode_attributes, encode_partition

LAYOUTS: Final = [(revision, table) for revision, tables in TABLES.items() for table in tables]
NOT_DECODED: Final = frozenset(
    [
        "padding",
        "padding1",
        "temperature_core",
        "temperature_l3",
        "average_temperature_core",
        "average_temperature_l3",
        "average_core_power",
        "average_core_c0_activity",
        "current_coreclk",
        "current_l3clk",
        "time_filter_alphavalue",
    ]
)
TYPES: Final = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64"}
VERSIONS: Final = [*TABLES, (1, 9)]


def some(field: Field, draw: int) -> int | tuple[int, ...]:
    """A value of a field that is not all ones, another for each field."""
    most = 2 ** (8 * SIZES[field.letter]) - 2
    values = tuple((draw * 31 + field.offset * 7 + number) % (most + 1) for number in range(field.instances))
    return values[0] if field.instances == 1 else values


def filled(fields: tuple[Field, ...], draw: int) -> dict[str, Any]:
    return {field.name: some(field, draw) for field in fields}


@pytest.mark.parametrize(("revision", "table"), LAYOUTS)
@settings(max_examples=10)
@given(draw=st.integers(0, 2**64))
def test_what_is_encoded_is_decoded(revision: tuple[int, int], table: Table, draw: int) -> None:
    """Of every layout each field comes back, and those of each partition."""
    placed = layout(table)
    values = filled(placed.fields, draw)
    if "num_partition" in values:
        values["num_partition"] = 8
    parts = [filled(placed.partition, draw + number) for number in range(8)] if placed.partition else []
    metrics = decode(encode(*revision, values, parts, table.size), "gpu_metrics")
    assert (metrics.format, metrics.content) == revision
    assert metrics.values == {name: value for name, value in values.items() if name not in NOT_DECODED}
    assert list(metrics.partitions) == parts


def test_partitions_of_their_own() -> None:
    """xcp_metrics has another layout of version 1.0 than gpu_metrics, and all of its fields come back."""
    values = filled(layout(PARTITION_TABLES[1, 0][0]).fields, 5)
    metrics = decode_partition(encode_partition(values), "xcp_metrics")
    assert metrics.values == {name: value for name, value in values.items() if name != "padding"}
    with pytest.raises(Malformed, match=r"version 1\.8 in 3872 bytes"):
        decode_partition(encode(1, 8, {}), "xcp_metrics")


@pytest.mark.parametrize(("revision", "table"), LAYOUTS)
def test_all_ones_are_absent(revision: tuple[int, int], table: Table) -> None:
    """A file whose fields are all ones tells nothing, and becomes a reading without values."""
    metrics = decode(encode(*revision, {}, size=table.size), "gpu_metrics")
    assert metrics.values == {}
    assert metrics.partitions == ()
    assert gpu_metrics_reading.fields(metrics) == {"engines": {}, "throttled_ns": {}, "driver_fields": {}}
    assert not gpu_metrics_reading.links(metrics)
    assert not gpu_metrics_reading.partitions(metrics)


def test_all_ones_in_an_array() -> None:
    """An element that is all ones is None, the others stay where they are."""
    values = {"current_gfxclk": (2100, None, 132), "xgmi_link_status": (1, None, 0)}
    metrics = decode(encode(1, 8, values), "gpu_metrics")
    assert metrics.values["current_gfxclk"] == (2100, None, 132, *[None] * 5)
    assert gpu_metrics_reading.reading(metrics).clock_graphics_megahertz == 2100
    assert [(link.link, link.active) for link in gpu_metrics_reading.links(metrics)] == [(0, 1), (2, 0)]


def test_offsets_are_those_of_the_kernel(shared: Path) -> None:
    """Each field is where the layouts taken from AMD's headers have it, and no field is missing."""
    known = json.loads((shared / "facts/amd_gpu_metrics_layouts.json").read_bytes())
    names = {f"{form}.{content}": tables for (form, content), tables in TABLES.items() if form == 1}
    names["1.6_prefinal_no_xcp"] = names["1.6"][:1]
    names["partition_xcp_1.0"] = PARTITION_TABLES[1, 0]
    assert {name for name, said in known.items() if "sizeof" in said} == names.keys()
    for name, tables in names.items():
        said, placed = known[name], layout(tables[-1])
        assert placed.size == tables[-1].size == said["sizeof"]
        assert [_said(field) for field in placed.fields] == [
            (one["name"], one["type"], one["count"], one["offset"]) for one in said["fields"][3:] if "struct" not in one
        ]
        for stats in (one for one in said["fields"] if "struct" in one):
            assert (placed.first, placed.stride) == (stats["offset"], stats["stride"])
            assert [_said(field) for field in placed.partition] == [
                (one["name"], one["type"], one["count"], one["offset"]) for one in stats["struct"]
            ]
    assert [name.upper() for name in NAMES] == known["1.9"]["ids"]


def _said(field: Field) -> tuple[str, str, int, int]:
    return field.name, TYPES[field.letter], field.instances, field.offset


@pytest.mark.parametrize(("revision", "table"), LAYOUTS)
def test_sizes_follow_from_the_fields(revision: tuple[int, int], table: Table) -> None:
    """The size by which a layout is chosen is the size that its fields have."""
    assert layout(table).size == table.size, revision


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "a header of 4 bytes"),
        (b"\x20\x0f\x01", "a header of 4 bytes"),
        (HEADER.pack(3872, 1, 8), "3872 bytes of version 1.8, not 4"),
        (encode(1, 8, {})[:-1], "3872 bytes of version 1.8, not 3871"),
        (HEADER.pack(400, 1, 10) + bytes(396), "a known layout, not version 1.10 in 400 bytes"),
        (HEADER.pack(383, 1, 6) + bytes(379), "a known layout, not version 1.6 in 383 bytes"),
        (HEADER.pack(8, 1, 9), "at least 8 bytes"),
        (HEADER.pack(8, 1, 9) + struct.pack("<I", MAX_ATTRIBUTES + 1), "at most 1024 attributes"),
        (HEADER.pack(8, 1, 9) + struct.pack("<I", 1), "an attribute at byte 8"),
        (HEADER.pack(8, 1, 9) + struct.pack("<IQ", 1, 0xF << 20), "an attribute of type 0 to 7"),
        (HEADER.pack(8, 1, 9) + struct.pack("<IQ", 1, 6 << 20 | 2), "16 bytes of values at byte 16"),
    ],
)
def test_what_is_not_a_table_is_refused(raw: bytes, expected: str) -> None:
    """A file that is short, or of a version that there is not, is refused with its name and what was expected."""
    with pytest.raises(Malformed, match=rf"^card1/gpu_metrics: expected .*{expected}"):
        decode(raw, "card1/gpu_metrics")


def test_a_longer_table_of_a_known_version() -> None:
    """Fields that a newer driver added behind the known ones are passed over."""
    raw = bytearray(encode(1, 3, {"temperature_edge": 40}))
    HEADER.pack_into(raw, 0, 128, 1, 3)
    assert decode(bytes(raw) + bytes(8), "gpu_metrics").number("temperature_edge") == 40


def test_two_layouts_of_one_version() -> None:
    """Version 1.6 is told apart by its size: the first has no partitions, and its VCNs are the GPU's."""
    early = decode(encode(1, 6, {"vcn_activity": [7, 8]}, size=384), "gpu_metrics")
    final = decode(encode(1, 6, {"num_partition": 1}, [{"vcn_busy": [7, 8]}]), "gpu_metrics")
    assert early.partitions == ()
    assert len(final.partitions) == 1
    for metrics in (early, final):
        assert gpu_metrics_reading.reading(metrics).engines == {"vcn_0": 7.0, "vcn_1": 8.0}


@pytest.mark.parametrize(("form", "content", "size"), [(1, 6, 1656), (1, 6, 392), (3, 0, 256)])
def test_between_two_layouts(form: int, content: int, size: int) -> None:
    """A file of a size between two layouts of its version is of neither, and not read by the smaller one."""
    with pytest.raises(Malformed, match="a known layout"):
        decode(HEADER.pack(size, form, content) + bytes(size - HEADER.size), "gpu_metrics")


def test_a_number_of_partitions_that_cannot_be() -> None:
    """More partitions than there can be are read as eight; those behind the last that says anything are left out."""
    raw = encode(1, 8, {"num_partition": 60_000}, [{"gfx_busy_inst": [5]}, {}, {"gfx_busy_inst": [7]}])
    found = gpu_metrics_reading.partitions(decode(raw, "gpu_metrics"))
    assert [one.utilization_percent for one in found] == [5.0, None, 7.0]


def test_the_file_that_describes_itself() -> None:
    """Known attributes of any type are told, unknown ones passed over, all ones absent, and arrays stay arrays."""
    values = {
        "temperature_hotspot": [61],
        "curr_socket_power": [755],
        "current_gfxclk": [2100],
        "gfx_busy_inst": [30, 2**32 - 1],
        "ppt_residency_acc": [2**40],
        "average_gfx_activity": [2**16 - 1],
        "temperature_mem": [-1],
        "pcie_replay_count_acc": [],
    }
    types = dict.fromkeys(values, "H") | {"gfx_busy_inst": "I", "ppt_residency_acc": "Q", "temperature_mem": "h"}
    raw = bytearray(encode_attributes(values, types))
    struct.pack_into("<I", raw, 4, len(values) + 1)
    raw += struct.pack("<QHHH", 2 << 20 | 1000 << 10 | 3, 1, 2, 3)
    metrics = decode(bytes(raw), "gpu_metrics")
    assert metrics.values == {
        "temperature_hotspot": 61,
        "curr_socket_power": 755,
        "current_gfxclk": (2100,),
        "gfx_busy_inst": (30, None),
        "ppt_residency_acc": 2**40,
    }
    assert decode_partition(encode_attributes(values, types, 1, 1), "xcp_metrics").values == metrics.values
    assert set(NAMES) >= ARRAYS


@settings(max_examples=200)
@given(version=st.sampled_from(VERSIONS), size=st.integers(0, 2**16 - 1), body=st.binary(max_size=4096))
@example(version=(1, 9), size=4096, body=struct.pack("<I", MAX_ATTRIBUTES) + bytes(8192))
def test_anything_is_a_table_or_refused(version: tuple[int, int], size: int, body: bytes) -> None:
    """Any bytes are decoded or refused; what is decoded becomes a reading without a number that cannot be."""
    for read in (decode, decode_partition):
        try:
            metrics = read(HEADER.pack(size, *version) + body, "gpu_metrics")
        except Malformed:
            continue
        reading = gpu_metrics_reading.reading(metrics)
        for name in reading.__struct_fields__:
            value = getattr(reading, name)
            assert value is None or isinstance(value, dict) or value >= 0 or version == (1, 9), name
        assert all(0 <= link.link < 1024 for link in gpu_metrics_reading.links(metrics))
        assert len(gpu_metrics_reading.partitions(metrics)) <= 8
        gpu_metrics_reading.partition(metrics, 0)


def test_the_encoder_refuses() -> None:
    """A version that there is not, a field that it has not, and too many instances of one are refused."""
    with pytest.raises(ValueError, match=r"expected a known version, got 1\.11 in None bytes"):
        encode(1, 11, {})
    with pytest.raises(ValueError, match="expected a field of this version, got temperature_edge with 1 values"):
        encode(1, 8, {"temperature_edge": 1})
    with pytest.raises(ValueError, match="got current_gfxclk with 9 values"):
        encode(1, 8, {"current_gfxclk": [1] * 9})
