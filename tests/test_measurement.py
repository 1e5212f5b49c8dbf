"""What one set of settings measures."""

from __future__ import annotations

from pathlib import Path

from nodescope import configuration
from nodescope.measurement import Measurement


def test_what_is_sampled_is_asked_in_each_scrape(tmp_path: Path) -> None:
    """A GPU that has its first sample, or answers again, shows at once; hardware read at scrape a moment later."""
    wanted = {"all": ("gpu_dcgm", "rdma", "container", "loadavg", "bcache")}
    made = Measurement(configuration.load({"collector.bcache.enabled": "true"}, {}), wanted)
    try:
        assert {name: made.may_rest(name) for name in made.collectors} == {
            **dict.fromkeys(("gpu_dcgm", "rdma", "container"), False),
            **dict.fromkeys(("loadavg", "bcache"), True),
        }
    finally:
        made.stop()
    (tmp_path / "loadavg").write_bytes(b"")
    stored = Measurement(configuration.load({"path.procfs": str(tmp_path)}, {}), {"all": ("loadavg",)})
    try:
        assert not stored.may_rest("loadavg")
    finally:
        stored.stop()


def test_a_collector_that_a_listener_names_is_on_there() -> None:
    """It need not be on by default; elsewhere it stays off, and switched off by name it is off everywhere."""
    wanted = {"a": ("swap", "swap", "loadavg"), "b": ("swap", "loadavg")}
    asked_for = {"a": ("swap", "loadavg")}
    for flags, names in (
        ({}, {"a": ("swap", "loadavg"), "b": ("loadavg",)}),
        ({"collector.swap.enabled": "false"}, {"a": ("loadavg",), "b": ("loadavg",)}),
        ({"collector.disable-defaults": "true"}, {"a": ("swap", "loadavg"), "b": ()}),
    ):
        made = Measurement(configuration.load(flags, {}), wanted, asked_for=asked_for)
        try:
            assert made.names == names
        finally:
            made.stop()
