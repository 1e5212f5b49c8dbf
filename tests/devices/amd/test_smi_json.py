"""JSON as amd-smi and rocm-smi print it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.amd.smi_json import documents, gpu_entries
from nodescope.host import Malformed

ENTRIES = [{"gpu": 0, "power": {"socket_power": 1}}, {"gpu": 1, "power": "N/A"}]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["gpu", "values", "a"]), inner),
    max_leaves=12,
)  # fmt: skip


def entries(text: str | bytes) -> list[dict[str, Any]]:
    return gpu_entries(text if isinstance(text, bytes) else text.encode(), "amd-smi")


@pytest.mark.parametrize(
    "document",
    [
        ENTRIES,
        {"gpu_data": ENTRIES},
        {"GPU_DATA": [{"GPU": 0, "Power": {"SOCKET_POWER": 1}}, {"GPU": 1, "POWER": "N/A"}]},
        {"gpu_data": ENTRIES, "cpu_data": [{"cpu": 0}]},
        {"xgmi_metric": [ENTRIES]},
        [*ENTRIES, {"cpu": 0}, "N/A", None],
        [{"gpu": 0, "values": {"power": {"socket_power": 1}}}, {"gpu": 1, "values": {"power": "N/A"}}],
    ],
)
def test_forms(document: object) -> None:
    """A list, an object with it, keys in either case, CPUs beside it: the same entries of GPUs."""
    found = [{key: entry[key] for key in ("gpu", "power")} for entry in entries(json.dumps(document, indent=4))]
    assert found == ENTRIES


def test_one_gpu_alone() -> None:
    """An object of one GPU is that GPU."""
    assert entries('{"gpu": 3}') == [{"gpu": 3}]


def test_lines_around_it() -> None:
    """Words before, between and behind documents, also such that begin with a bracket, cost nothing."""
    text = (
        "WARNING: User is missing the following required groups: render, video.\n[WARNING] old [firmware\n"
        '[{"gpu": 0, "memory_partition": "NPS1"}]\n\n[{"gpu_id": "N/A"}]\nLegend:\n  * = Current mode\n'
        '{"gpu_data": [\n  {"gpu": 1, "name": "[}\\""}\n]}\nbye'
    )
    assert [entry["gpu"] for entry in entries(text)] == [0, 1]


def test_what_python_prints_and_json_does_not_know() -> None:
    """NaN is null, half a surrogate pair and bytes that are no UTF-8 are U+FFFD; whole pairs stay."""
    found = entries(b'[{"gpu": 0, "a": NaN, "b": [-Infinity], "c": "\\udc80 NaN \\ud83d\\ude00", "d": "\xff"}]')
    assert found == [{"gpu": 0, "a": None, "b": [None], "c": "\ufffd NaN \U0001f600", "d": "\ufffd"}]


@pytest.mark.parametrize(
    "raw", [b"", b"WARNING: No JSON data to report\n", b'[{"gpu": 0, ', b"[" * 100_000, b"3", b'"a"']
)
def test_no_json(raw: bytes) -> None:
    """Where there is no whole document there is one sentence about it."""
    with pytest.raises(Malformed, match="amd-smi: expected a JSON document"):
        documents(raw, "amd-smi")


def test_a_document_behind_a_broken_one() -> None:
    """One that is cut short does not hide the next."""
    assert entries('[{"gpu": 0, "a": }]\n[{"gpu": 1}]') == [{"gpu": 1}]


def test_many_openings_are_bounded() -> None:
    """Megabytes of brackets that nothing closes end in a sentence."""
    with pytest.raises(Malformed):
        documents(b"[\n" * 2_000_000, "amd-smi")


@settings(max_examples=60)
@given(ANY, st.binary(max_size=40))
def test_anything(document: object, around: bytes) -> None:
    """Whatever is printed there are entries with a number, or Malformed."""
    for raw in (json.dumps(document).encode(), around, around + b"\n" + json.dumps(document).encode() + b"\n" + around):
        try:
            found = gpu_entries(raw, "amd-smi")
        except Malformed:
            continue
        assert all("gpu" in entry for entry in found)
