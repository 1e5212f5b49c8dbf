"""Counter files of dcgm-exporter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.profiles.dcgm import FIELDS, Selection
from nodescope.profiles.dcgm_names import NOT_KNOWN
from nodescope.profiles.dcgm_selection import MAX_BYTES, MAX_LINES, BadCounters, select
from nodescope.records.dcgm import DcgmEntity, DcgmXidCount

FILE = b"""# Format
# DCGM FIELD, Prometheus metric type, help message

DCGM_FI_DEV_SM_CLOCK,  gauge, SM clock frequency (in MHz).
DCGM_FI_DEV_DEC_UTIL ,     gauge, Decoder utilization (in %).
DCGM_FI_DEV_FB_USED, counter, "Used, with a comma"
  # indented
DCGM_FI_DRIVER_VERSION,        label, Driver Version
DCGM_EXP_XID_ERRORS_COUNT, gauge, XIDs
DCGM_FI_DEV_BOARD_POWER_WATTS, histogram, Power
dcgm_gpu_temp, gauge, Of 1.x
DCGM_FI_DEV_SM_CLOCK, counter, again
"""


def names(selection: Selection) -> list[tuple[str, str, str]]:
    return [(row.name, row.type, row.help) for rows in selection.rows.values() for row in rows]


def test_a_file_chooses() -> None:
    """Fields are shown in the order, under the name, type and help of the file; of two lines the first holds."""
    selection = select(FILE, "fields.csv")
    assert names(selection) == [
        ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz)."),
        ("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %)."),
        ("DCGM_FI_DEV_FB_USED", "counter", "Used, with a comma"),
        ("DCGM_FI_DEV_BOARD_POWER_WATTS", "untyped", "Power"),
        ("dcgm_gpu_temp", "gauge", "Of 1.x"),
        ("DCGM_EXP_XID_ERRORS_COUNT", "gauge", "XIDs"),
    ]
    assert set(selection.rows) == {DcgmEntity, DcgmXidCount}
    assert selection.labels == (("DCGM_FI_DRIVER_VERSION", "identity.driver_version"),)
    assert selection.not_obtainable == ()


def test_windows_line_ends_and_a_mark() -> None:
    """A file that was written on Windows is read as any other."""
    assert names(select(b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n"), "f")) == names(select(FILE, "f"))


def test_nothing_chosen() -> None:
    """A file of comments alone chooses nothing."""
    assert select(b"# nothing\n\n", "f") == Selection({}, (), ())


def test_fields_that_cannot_be_given() -> None:
    """They are named once with the reason, and all others are shown; a number with a unit is no label."""
    data = (
        b"DCGM_FI_DEV_NVSWITCH_TEMP,gauge,a\nDCGM_FI_DEV_NVSWITCH_TEMP,gauge,a\nDCGM_FI_DEV_NEW_IN_DCGM_9,gauge,b\n"
        b"DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK,gauge,c\nDCGM_FI_DEV_FB_TOTAL,label,d\nDCGM_FI_DEV_XID_ERRORS,label,e\n"
        b"DCGM_FI_DEV_CPU_TEMP_CURRENT,label,f\nDCGM_FI_DEV_GPU_UTIL,gauge,g\n"
    )
    selection = select(data, "f")
    assert [row[0] for row in names(selection)] == ["DCGM_FI_DEV_GPU_UTIL"]
    assert dict(selection.not_obtainable) == {
        "DCGM_FI_DEV_NVSWITCH_TEMP": "NVSwitch: needs NVIDIA's NSCQ or NVSDM library",
        "DCGM_FI_DEV_NEW_IN_DCGM_9": NOT_KNOWN,
        "DCGM_FI_DEV_NVLINK_TX_THROUGHPUT_PER_LINK": "of DCGM's link entities: see DCGM_FI_DEV_NVLINK_TX_BANDWIDTH_L0 "
        "and on",
        "DCGM_FI_DEV_FB_TOTAL": "nodescope gives this field as a number, not as a label",
        "DCGM_FI_DEV_XID_ERRORS": "nodescope gives this field as a number, not as a label",
        "DCGM_FI_DEV_CPU_TEMP_CURRENT": "Grace CPU: see the host's own collectors",
    }


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (
            b"\nDCGM_FI_DEV_GPU_UTIL,gauge",
            r"f:2: expected a field, a type and a help text.*b'DCGM_FI_DEV_GPU_UTIL,gauge'",
        ),
        (b"DCGM_FI_DEV_GPU_UTIL,gauge,a,b", "f:1: expected a field"),
        (b",gauge,a", "f:1: expected a field"),
        (b'DCGM_FI_DEV_GPU_UTIL,gauge,"a', "f:1: expected a field"),
        (b"DCGM_FI_DEV_GPU_UTIL,gauge,a\rb", "f:1: expected a field"),
        (b"DCGM_FI_DEV_GPU_UTIL,number,a", "f:1: expected one of the types gauge, counter, histogram, summary, label"),
        (b"DCGM_FI_DEV_NVSWITCH_TEMP,number,a", "f:1: expected one of the types"),
        (b"node_load1,gauge,a", "f:1: expected the name of a field of DCGM.*b'node_load1'"),
        (b"node_load1,label,a", "f:1: expected the name of a field of DCGM"),
        (b"DCGM_FI_DEV_SERIAL,gauge,a", "f:1: expected the type label"),
        (b"\xff\xfe", r"f: expected UTF-8, got b'\\xff\\xfe'"),
        (b"#" * (MAX_BYTES + 1), "f: expected at most 1048576 bytes"),
        (b"\n" * MAX_LINES, "f: expected at most 4096 lines"),
        (b"x" * 500, r"b'x{80}'$"),
    ],
)
def test_what_is_no_counter_file(data: bytes, error: str) -> None:
    """The error says the file and the line, what was expected and what is there, at most 80 bytes of it."""
    with pytest.raises(BadCounters, match=error):
        select(data, "f")


LINES = st.builds(
    lambda words, separator: separator.join(words),
    st.lists(
        st.sampled_from([*FIELDS, "label", "gauge", "counter", "help", '"', "DCGM_FI_X", "#", "\x00", "\x85", ""])
        | st.text(max_size=8),
        max_size=5,
    ),
    st.sampled_from([",", ", ", '","', "\r"]),
)


@given(st.binary(max_size=300) | st.lists(LINES, max_size=6).map(lambda lines: "\n".join(lines).encode()))
def test_anything_is_a_selection_or_an_error(data: bytes) -> None:
    """Whatever the file holds, it is refused, or chooses fields that there are."""
    try:
        selection = select(data, "f")
    except BadCounters:
        return
    for kind, rows in selection.rows.items():
        assert all(row.field in {known.field for of, known in FIELDS.values() if of is kind} for row in rows)
        assert len({row.name for row in rows}) == len(rows)
