"""nodescope.settings.value: what a raw value is as a value of its setting."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from nodescope.api.table import ROUTES
from nodescope.configuration import load
from nodescope.settings import BY_KEY, SettingsError
from nodescope.settings.value import TAKEN_PATHS, read_value


def test_every_route_is_taken() -> None:
    """The metrics cannot be served where something else is, on any listener."""
    assert {route.path for route in ROUTES} <= set(TAKEN_PATHS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90.0), ("1.5h", 5400.0), (".5s", 0.5), ("1.s", 1.0), ("250000us", 0.25), ("250000\u00b5s", 0.25),
        ("250000\u03bcs", 0.25), ("5e2ms", None), ("1h0m0.5s", 3600.5), ("2d", 172_800.0), ("1w", 604_800.0),
        ("1y", 31_536_000.0), ("90", 90.0), ("", None), ("s", None), ("1 m", None), ("-1s", None), ("1_0", None),
        ("\u0663m", None), ("\u0663", None), ("nan", None), ("inf", None), ("1s2", None),
    ],
)  # fmt: skip
def test_durations_of_go_and_prometheus(text: str, seconds: float | None) -> None:
    """Each unit of either is taken, in ASCII digits; what is neither is refused with an example."""
    setting = BY_KEY["scrape.timeout"]._replace(maximum=1e9)
    if seconds is not None:
        assert read_value(setting, text, "flag") == pytest.approx(seconds)
        return
    with pytest.raises(SettingsError, match="expected a duration such as 500ms, 10s or 1m30s"):
        read_value(setting, text, "flag")


@pytest.mark.parametrize("text", ["1_0", "\u0663", "1.0", "", "0x10", "1e2"])
def test_whole_numbers_are_written_in_ascii_digits(text: str) -> None:
    """What only Python takes for a number is none."""
    with pytest.raises(SettingsError, match="expected a whole number"):
        read_value(BY_KEY["web.max-requests"], text, "flag")


def test_an_expression_that_a_later_python_reads_otherwise() -> None:
    """It means what it means today, and no warning of Python's goes to the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_value(BY_KEY["collector.container.image-include"], "[[a]", "flag")
    assert isinstance(found, re.Pattern)
    assert found.fullmatch("[")


def test_mappings_merged_into_each_other_are_bounded(tmp_path: Path) -> None:
    """Ten lines that make more names than there is memory are one sentence, at once."""
    file = tmp_path / "nodescope.yaml"
    lines = [f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 8)}]}}" for n in range(1, 10)]
    file.write_text("\n".join(["l0: &l0 {x: 1}", *lines]))
    with pytest.raises(SettingsError, match="is not YAML: a mapping has more than 1000 names"):
        load({"config.file": str(file)}, {})


def in_file(folder: Path, key: str, written: str) -> Any:
    """The value of a setting that a YAML file has as `written`."""
    file = folder / "nodescope.yaml"
    file.write_text(f"{key}: {written}\n")
    return load({"config.file": str(file)}, {})[key]


@pytest.mark.parametrize(("key", "written"), [("web.max-requests", "010"), ("scrape.timeout", "1:30")])
def test_a_number_that_yaml_reads_otherwise_than_people_is_refused(tmp_path: Path, key: str, written: str) -> None:
    """010 would be 8 in a file and 10 as a flag: neither is in force unseen, and quotes or no 0 say what is meant."""
    with pytest.raises(
        SettingsError, match=f"{key} is {written}, expected no leading 0 and no colon: YAML takes {written}"
    ):
        in_file(tmp_path, key, written)


def test_a_number_beyond_all_bounds_is_one_sentence(tmp_path: Path) -> None:
    """A number of base 60 that no float can hold is refused as any other."""
    with pytest.raises(SettingsError, match=r"web\.max-requests is 1:59:.*\.\.\., expected no leading 0 and no colon"):
        in_file(tmp_path, "web.max-requests", "1" + ":59" * 20_000)


def test_several_labels_in_one_flag_are_refused() -> None:
    """They would be one label, with the others in its value; a comma alone is a part of it."""
    setting = BY_KEY["constant-labels"]
    assert read_value(setting, ["site=a,b", "rack=4"], "flag") == {"site": "a,b", "rack": "4"}
    with pytest.raises(SettingsError, match="expected labels as NAME=VALUE, each in a flag of its own"):
        read_value(setting, ["site=a,rack=4"], "flag")


@pytest.mark.parametrize(
    ("written", "count"), [('"010"', 10), ("0x10", 16), ("1_0", 10), ("00", 0), ("07", 7), ("+12", 12)]
)
def test_a_number_that_is_read_one_way_is_taken(tmp_path: Path, written: str, count: int) -> None:
    """Quotes, hexadecimal and what is the same in any reading are taken."""
    assert in_file(tmp_path, "web.max-requests", written) == count


def test_a_pattern_that_yaml_takes_for_a_number_is_shown_as_it_is_written(tmp_path: Path) -> None:
    """What `config show` has of an expression is what it was given as, which is what is in force."""
    (tmp_path / "n.yaml").write_text("collector.netdev.device-include: 1.10\n")
    settings = load({"config.file": str(tmp_path / "n.yaml")}, {})
    assert settings.written("collector.netdev.device-include") == "1.10"


HUGE = "0x" + "f" * 5000


@pytest.mark.parametrize(
    "text", [f"? {HUGE}\n: 1", f"log.level: {HUGE}", f"collector.cpu: {HUGE}", f"listeners: [{{address: {HUGE}}}]"]
)
def test_a_number_of_more_digits_than_python_writes_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """Wherever it stands, the sentence has the beginning of it as it is in the file, and is no longer than others."""
    (tmp_path / "n.yaml").write_text(text)
    with pytest.raises(SettingsError, match="0xffff") as caught:
        load({"config.file": str(tmp_path / "n.yaml")}, {})
    assert "expected" in str(caught.value)
    assert len(str(caught.value)) < 500
