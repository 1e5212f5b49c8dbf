"""What of a reading hardly ever changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.limits import link
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
