from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.hwmon_chip import Identity, chip_names
from nodescope.collectors.host.hwmon_sensor import (
    SensorFile,
    clean,
    is_held,
    metric_of,
    parse_reading,
    sensor_file,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("temp1_crit_alarm", ("temp", "temp1", "crit_alarm")),
        ("pwm1", ("pwm", "pwm1", "")),
        ("vrm", ("vrm", "vrm0", "")),
        ("temp007_input", ("temp", "temp7", "input")),
        ("beep_enable", ("beep_enable", "beep_enable0", "")),
        ("temp_input", None),
        ("temp1input", None),
        ("temp1_", None),
        ("in_intensity0_raw", None),
        ("", None),
        ("temp\u0661_input", None),
    ],
)
def test_names_of_files(name: str, expected: tuple[str, str, str] | None) -> None:
    """A file is TYPE[NUMBER][_ELEMENT] of a type that the kernel documents, or belongs to no sensor."""
    assert sensor_file(name) == expected


@pytest.mark.parametrize(
    ("element", "held"),
    [("max", True), ("crit_hyst", True), ("label", True), ("auto_point1_pwm", True), ("average_interval_max", True),
     ("input", False), ("crit_alarm", False), ("average", False), ("highest", False), ("fault", False), ("", False)],
)  # fmt: skip
def test_what_is_held(element: str, held: bool) -> None:
    """Limits, settings and names may be remembered; values and alarms may not."""
    assert is_held(SensorFile("temp", "temp1", element)) is held


def test_help_names_the_element() -> None:
    """The help says of which element it is, braces and bad bytes included."""
    assert metric_of("temp", "input")[0].help == "Hardware monitor for temperature (input)"
    assert metric_of("temp", "")[0].help == "Hardware monitor for temperature (input)"
    assert metric_of("pwm", "")[0].help == "Hardware monitor pwm element "
    assert metric_of("fan", "{x}\udcff")[0].help == "Hardware monitor fan element {x}\ufffd"


@given(st.text())
def test_clean_names(name: str) -> None:
    """A name has only what belongs in a name, and cleaning it again changes nothing."""
    cleaned = clean(name)
    assert set(cleaned) <= set("abcdefghijklmnopqrstuvwxyz0123456789:_")
    assert clean(cleaned) == cleaned


@given(
    st.lists(
        st.builds(Identity, st.text("h01", min_size=1), st.text("ab_", min_size=1), st.text("ab_A")),
        unique_by=lambda chip: chip.entry,
    )
)
def test_no_two_chips_have_the_same_name(chips: list[Identity]) -> None:
    """Whatever chips are called, there is a name for each."""
    assert len(set(chip_names(chips))) == len(chips)


@given(st.binary())
def test_any_reading(data: bytes) -> None:
    """Whatever a file holds, it is a number or not."""
    value = parse_reading(data)
    assert value is None or value == value
