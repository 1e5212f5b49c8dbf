"""What of a reading hardly ever changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.hwmon import Hwmon
from nodescope.devices.amd.limits import link, read_limits
from nodescope.host import Host


@pytest.mark.parametrize(
    ("speed", "width", "found"),
    [
        ("32.0 GT/s PCIe", "16", {"generation": 5, "width_lanes": 16}),
        ("2.5 GT/s PCIe", "1", {"generation": 1, "width_lanes": 1}),
        # As older kernels write it.
        ("5 GT/s", "8", {"generation": 2, "width_lanes": 8}),
        ("8 GT/s", "8", {"generation": 3, "width_lanes": 8}),
        ("16 GT/s", "16", {"generation": 4, "width_lanes": 16}),
        ("32 GT/s", "16", {"generation": 5, "width_lanes": 16}),
        # A device that does not answer: all bits of the register are one.
        ("Unknown", "63", {}),
        ("Unknown speed", "0", {}),
        ("", "x16", {}),
    ],
)
def test_links(tmp_path: Path, speed: str, width: str, found: dict[str, int]) -> None:
    """Speed becomes the generation; a link that is down has neither that nor a width."""
    (tmp_path / "max_link_speed").write_text(f"{speed}\n")
    (tmp_path / "max_link_width").write_text(f"{width}\n")
    assert link(DeviceFiles(Host(sysfs=str(tmp_path)), str(tmp_path)), "max") == found


@pytest.mark.parametrize(("switch", "lanes"), [("0x1002", 8), ("0x1000", 4)])
def test_the_slot(tmp_path: Path, switch: str, lanes: int) -> None:
    """What the slot can is told of the first port above that is not of a switch of AMD's on the board itself."""
    port, gpu = tmp_path / "port", tmp_path / "port/switch/gpu"
    gpu.mkdir(parents=True)
    for folder, vendor, width in ((port, "0x1022", 8), (port / "switch", switch, 4), (gpu, "0x1002", 16)):
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "max_link_width").write_text(f"{width}\n")
        (folder / "max_link_speed").write_text("16.0 GT/s PCIe\n")
    (tmp_path / "gpu").symlink_to(gpu)
    files = DeviceFiles(Host(sysfs=str(tmp_path)), str(tmp_path / "gpu"))
    found = read_limits(files, frozenset(), Hwmon(files))
    assert (found["pcie_max_width_lanes"], found["pcie_max_generation"]) == (16, 4)
    assert found["driver_fields"] == {"pcie_slot_width_lanes": lanes, "pcie_slot_generation": 4}
