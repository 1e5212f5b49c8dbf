"""Tests of the child's options."""

from __future__ import annotations

import msgspec
import pytest

from nodescope.devices.nvidia import frame
from nodescope.devices.nvidia.child.options import BadOptions, Options, parse


def test_the_parents_options_are_understood() -> None:
    """What the parent encodes the child decodes, and both have the same defaults."""
    told = frame.Options(interval_seconds=0.5, library="/a/b.so", skip={"GPU-1": ("*",)}, processes=False)
    assert parse(msgspec.json.encode(told).decode()) == Options(0.5, "/a/b.so", {"GPU-1": frozenset("*")}, False, True)
    assert msgspec.to_builtins(parse("{}")) == msgspec.to_builtins(frame.Options())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"other": 1}',
        '{"interval_seconds": 0}',
        '{"interval_seconds": "x"}',
        '{"skip": {"a": 1}}',
        "\udcff",
    ],
)
def test_bad_options_are_told(text: str) -> None:
    """What is no object of options is refused with a sentence."""
    with pytest.raises(BadOptions, match="expected"):
        parse(text)
