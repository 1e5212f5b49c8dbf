from __future__ import annotations

import re

import pytest

from nodescope.collectors.host.device_filter import MAX_REMEMBERED, DeviceFilter, from_settings
from nodescope.configuration import load
from nodescope.settings import SettingsError

DISKS = ("collector.diskstats.device-include", "collector.diskstats.device-exclude")


def test_exclude_and_include_search_anywhere_in_the_name() -> None:
    """A pattern without anchors finds its text at any place."""
    both = DeviceFilter(re.compile("sd|nvme"), re.compile("p[0-9]"))
    assert [name for name in ("sda", "xsda", "nvme0n1", "nvme0n1p1", "loop0") if both.keeps(name)] == [
        "sda", "xsda", "nvme0n1",
    ]  # fmt: skip


def test_without_patterns_everything_is_kept() -> None:
    """No pattern, no filter."""
    assert DeviceFilter(None, None).keeps("anything")


def test_decisions_are_remembered_within_bounds() -> None:
    """However many names come, no more than MAX_REMEMBERED are remembered, and answers stay right."""
    devices = DeviceFilter(None, re.compile("7$"))
    for number in range(2 * MAX_REMEMBERED):
        assert devices.keeps(f"veth{number}") is (number % 10 != 7)
    assert len(devices._remembered) <= MAX_REMEMBERED


def test_an_include_drops_the_default_exclude() -> None:
    """Whoever says what to keep need not first switch off the default."""
    devices = from_settings(load({DISKS[0]: "^loop"}, {}), *DISKS)
    assert devices.keeps("loop0")
    assert not devices.keeps("sda")


def test_an_empty_exclude_goes_with_an_include() -> None:
    """An exclude that was switched off by hand is no contradiction."""
    assert from_settings(load({DISKS[0]: "^sd", DISKS[1]: ""}, {}), *DISKS).keeps("sda1")


def test_both_together_are_refused() -> None:
    """Include and exclude both given by someone: one sentence with both names."""
    with pytest.raises(SettingsError, match=r"device-include \(flag .*device-exclude \(flag .*cannot be used together"):
        from_settings(load({DISKS[0]: "^sd", DISKS[1]: "^loop"}, {}), *DISKS)
