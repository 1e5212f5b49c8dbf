"""/proc/driver/nvidia-caps/mig-minors."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import Host
from nodescope.ownership.devices import MigPart
from nodescope.ownership.mig_minors import parse_mig_minors, read_mig_minors

SAMPLE = b"config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\ngpu7/gi14/ci7/access 1100\n"
PARTS = {3: MigPart(0, 0), 4: MigPart(0, 0, 0), 1100: MigPart(7, 14, 7)}


def test_capabilities(tmp_path: Path) -> None:
    """Each minor of a GPU instance or a compute instance is known, others are left out; without the file none is."""
    assert read_mig_minors(Host(str(tmp_path / "proc"))) == {}
    path = tmp_path / "proc/driver/nvidia-caps/mig-minors"
    path.parent.mkdir(parents=True)
    path.write_bytes(SAMPLE + b"gpu0/gi0/access\nodd\n")
    assert read_mig_minors(Host(str(tmp_path / "proc"))) == PARTS


@given(st.binary() | st.lists(st.sampled_from(SAMPLE.split()), max_size=9).map(b" ".join))
def test_any_bytes(data: bytes) -> None:
    """Whatever is in the file, only whole lines count."""
    assert all(minor >= 0 and part.gpu >= 0 for minor, part in parse_mig_minors(data).items())
