"""Each vendor's sampler, built from settings."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nodescope import collectors
from nodescope.collectors.gpu import source
from nodescope.collectors.joined import Joined
from nodescope.collectors.parts import Parts
from nodescope.configuration import load
from nodescope.host import Absent, Host
from nodescope.sampling import SamplerLoop

NOTHING_IMPORTED = """
import sys, time
from nodescope import collectors
from nodescope.collectors.parts import Parts
from nodescope.configuration import load
from nodescope.host import Absent, Host
parts = Parts(Host(*sys.argv[1:4]), load({}, {}))
collector = collectors.build("gpu", parts.host, parts.settings, parts)
assert parts.loop(collectors.ALL_GPUS).first(time.monotonic() + 20)
try:
    collector.collect()
except Absent as absent:
    print(absent)
print([name for name in sys.modules if name.startswith("nodescope.devices.") and name.count(".") == 3])
"""


def parts_of(folder: Path) -> Parts:
    return Parts(Host(str(folder / "proc"), str(folder / "sys"), str(folder)), load({}, {}))


def test_where_there_is_no_gpu(tmp_path: Path) -> None:
    """The collector is absent, and no vendor's source was imported."""
    arguments = [str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_IMPORTED, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    absent, imported = done.stdout.splitlines()
    assert absent.endswith("proc/driver/nvidia/version")
    assert imported == "[]"


def test_a_guest_of_windows(tmp_path: Path) -> None:
    """WSL has no NVIDIA kernel module of its own: there /dev/dxg says that the library is worth a try."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    settings = load({"collector.gpu.kmsg": "", "collector.gpu.nvidia-smi": "/nonexistent/smi"}, {})
    loop = source.loop(Parts(Host(str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path)), settings))
    try:
        assert loop.first(time.monotonic() + 20)
        with pytest.raises(Absent, match="nonexistent/smi"):
            loop.fresh()
    finally:
        loop.stop()


def test_who_shows_whom(tmp_path: Path) -> None:
    """All vendors are shown under names of every vendor, one alone under names of its own; loops are shared."""
    parts = parts_of(tmp_path)
    everything = parts.loop(collectors.BY_NAME["gpu"].sources)
    assert isinstance(everything, Joined)
    assert parts.loop(collectors.BY_NAME["gpu_lens"].sources) is everything
    nvidia, amd = (parts.loop(collectors.BY_NAME[name].sources) for name in ("gpu_dcgm", "gpu_rocm"))
    assert isinstance(nvidia, SamplerLoop)
    assert isinstance(amd, SamplerLoop)
    assert nvidia is not amd
    assert parts.loop(collectors.BY_NAME["gpu_conductor"].sources) is amd
    assert parts.loop(collectors.BY_NAME["gpu_worker"].sources) is nvidia
    assert len(parts.loops) == 3


@pytest.mark.parametrize("vendor", ["amd", "intel"])
def test_a_driver_without_a_gpu(vendor: str, tmp_path: Path) -> None:
    """Where a driver is loaded and has no GPU, the vendor's source is opened and says so."""
    for driver in ("amdgpu", "xe"):
        (tmp_path / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True)
    (tmp_path / "sys/bus/pci/devices").mkdir()
    module = {"amd": collectors.AMD, "intel": collectors.INTEL}[vendor]
    loop = parts_of(tmp_path).loop((module,))
    assert isinstance(loop, SamplerLoop)
    try:
        with pytest.raises(Absent):
            loop.sampler.sample()
    finally:
        loop.stop()
