from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.host import Host
from nodescope.kernel.link_attributes import Mark
from nodescope.kernel.link_watch import LinkWatch, fits
from nodescope.kernel.rtnetlink import RouteSocket
from tests.collectors.host.machine import Machine

LO = "/sys/class/net/lo/ifindex"


@pytest.fixture
def watch() -> LinkWatch:
    """A watch of this machine's links; the test is skipped where there is no netlink or sysfs."""
    try:
        RouteSocket().links()
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    if not Path(LO).exists():
        pytest.skip("no network devices in sysfs")
    return LinkWatch(Host())


def test_marks_of_this_machine(watch: LinkWatch) -> None:
    """A link that is as it was has the very mark that it had."""
    first = watch.marks(LO)
    again = watch.marks(LO)
    assert first["lo"].ifindex == 1
    assert again["lo"] is first["lo"]


def test_stored_files_have_no_marks(watch: LinkWatch, machine: Machine) -> None:
    """Devices that are files in a folder are not this machine's, whatever their names; nor are those that are gone."""
    machine.write("sys/class/net/lo/ifindex", "1\n")
    assert watch.marks(f"{machine.folder}/sys/class/net/lo/ifindex") == {}
    assert LinkWatch(Host()).marks(f"{machine.folder}/nowhere") == {}


def test_doubt(watch: LinkWatch) -> None:
    """Marks that were found wrong are not used for a while."""
    assert watch.marks(LO)
    watch.doubt()
    assert watch.marks(LO) == {}


def test_what_fits() -> None:
    """A mark is a device's when index and address are."""
    mark = Mark(7, b"eth0", bytes(6), True, ())
    assert fits(mark, 7, "00:00:00:00:00:00")
    assert not fits(mark, 8, "00:00:00:00:00:00")
    assert not fits(mark, 7, "00:00:00:00:00:01")
    assert fits(Mark(7, b"tun0", b"", True, ()), 7, "")
