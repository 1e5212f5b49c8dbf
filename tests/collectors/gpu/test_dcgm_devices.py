"""Which entities are shown under dcgm-exporter's names."""

from __future__ import annotations

import re

import msgspec
import pytest

from nodescope.collectors.gpu.dcgm_devices import FLEXIBLE, Devices, parse_devices
from nodescope.collectors.gpu.gpu_dcgm import GpuDcgmCollector, build
from nodescope.configuration import load
from nodescope.host import Host
from nodescope.settings import SettingsError
from tests.collectors.gpu.gpu_snapshot import DIVIDED, INSTANCES, SNAPSHOT, WHOLE, loop_of, shown
from tests.collectors.gpu.test_gpu_dcgm import chosen

PARTS = sum(instance.first for instance in INSTANCES)
POWER = chosen("DCGM_FI_DEV_POWER_USAGE,gauge,P")


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("g", None), ("g:0", {0}), ("g:0,1", {0, 1}), ("g:0,2-4", {0, 2, 3, 4}), ("g:2-2,2", {2})],
)
def test_gpus_by_number(text: str, gpus: set[int] | None) -> None:
    """g is every GPU, divided or not, and with numbers and ranges those."""
    found = parse_devices(text)
    assert (found.undivided, found.divided, found.instances, found.gpus) == (True, True, False, gpus)


def test_letters() -> None:
    """f is what is shown by default; i is GPU instances alone."""
    assert parse_devices("f") == FLEXIBLE
    assert parse_devices("i") == Devices(undivided=False, divided=False, instances=True)


@pytest.mark.parametrize(
    "text",
    ["", "F", "x", "f:0", "g:", "g:a", "g:1-", "g:-1", "g:4-2", "g:0:1", "g:0,", "g: 0", "g:1024", "g:0-1-2", "i:0,2"],
)
def test_what_cannot_be_followed(text: str) -> None:
    """Anything else is refused, with a sentence."""
    with pytest.raises(ValueError, match=r"expected|DCGM's own"):
        parse_devices(text)


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("f", [WHOLE.identity.index], PARTS),
        ("g", [WHOLE.identity.index, DIVIDED.identity.index], 0),
        (f"g:{DIVIDED.identity.index}", [DIVIDED.identity.index], 0),
        ("g:77", [], 0),
        ("i", [], PARTS),
    ],
)
def test_what_is_shown(text: str, whole: list[int], parts: int) -> None:
    """Whole GPUs without labels of instances, and instances with them, as many as were asked for."""
    records = (WHOLE, DIVIDED, *INSTANCES)
    page = shown(lambda loop: GpuDcgmCollector(loop, POWER, "n", devices=parse_devices(text)), *records)
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    alone = [line for line in lines if "GPU_I_ID" not in line]
    assert sorted(int(found) for line in alone for found in re.findall(r'gpu="([0-9]+)"', line)) == sorted(whole)
    assert len(lines) - len(alone) == parts


def test_the_setting_is_followed_or_refused() -> None:
    """What the setting says is what the collector shows; a bad one ends the start with where it was given."""
    with loop_of(*SNAPSHOT) as loop:
        told = load({"collector.gpu_dcgm.devices": "g:77"}, {})
        assert not [family for family in build(Host(), told, loop).collect() if family.rows]
        with pytest.raises(SettingsError, match=r"collector\.gpu_dcgm\.devices .*'g:x': expected f, g, i"):
            build(Host(), load({"collector.gpu_dcgm.devices": "g:x"}, {}), loop)


@pytest.mark.parametrize(("text", "left_out"), [("f", 1), ("i", 1), ("g", 0)])
def test_what_was_not_asked_for_is_not_left_out(text: str, left_out: int) -> None:
    """A MIG device without a known GPU instance counts only where instances are shown."""
    part = INSTANCES[0]
    unnamed = msgspec.structs.replace(part, instance=msgspec.structs.replace(part.instance, gpu_instance_id=None))
    with loop_of(DIVIDED, unnamed) as loop:
        collector = GpuDcgmCollector(loop, POWER, "n", devices=parse_devices(text))
        collector.collect()
    assert collector.left_out == left_out
