"""The directory with a simulated machine's files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.host import Host
from nodescope.simulate.part import Link
from nodescope.simulate.tree import Tree

NAMES = st.sampled_from(["a", "b", "c", "d"])
# No name is both a file and a directory: files are in capitals.
FILES = st.dictionaries(
    st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(NAMES, max_size=3), st.sampled_from("AB")),
    st.binary(max_size=16),
    max_size=12,
)


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@settings(max_examples=40)
@given(updates=st.lists(FILES, max_size=6))
def test_holds_what_it_was_given_last(
    tmp_path_factory: pytest.TempPathFactory, updates: list[dict[str, bytes]]
) -> None:
    """After any updates, the tree holds the files of the last one, no others, and no empty directory."""
    tree = Tree(str(tmp_path_factory.mktemp("tree")))
    root = Path(tree.roots.rootfs)
    for files in updates:
        tree.update(files)
        assert content(root) == files
        assert all(any(path.iterdir()) for path in root.rglob("*") if path.is_dir())


def test_directories(tmp_path: Path) -> None:
    """A path that ends in a slash is a directory; it stays when the last file in it goes, and goes when it is gone."""
    tree = Tree(str(tmp_path))
    root = Path(tree.roots.rootfs)
    tree.update({"data/": b"", "data/set/x": b"1"})
    tree.update({"data/": b""})
    assert (root / "data").is_dir()
    assert list((root / "data").iterdir()) == []
    tree.update({})
    assert list(root.iterdir()) == []


def test_links(tmp_path: Path) -> None:
    """A `Link` is a symbolic link; it goes when it is gone, and what it leads to stays."""
    tree = Tree(str(tmp_path))
    root = Path(tree.roots.rootfs)
    tree.update({"sys/class/hwmon/hwmon0": Link(b"../../devices/chip"), "sys/devices/chip/name": b"x\n"})
    assert os.readlink(root / "sys/class/hwmon/hwmon0") == "../../devices/chip"
    assert (root / "sys/class/hwmon/hwmon0/name").read_bytes() == b"x\n"
    assert tree.update({"sys/devices/chip/name": b"x\n"}) == 0
    assert [str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()] == ["sys/devices/chip/name"]


def test_unchanged_files_are_left_alone(tmp_path: Path) -> None:
    """Only files whose content changes are written."""
    tree = Tree(str(tmp_path))
    assert tree.update({"proc/stat": b"1", "proc/cpuinfo": b"x"}) == 2
    before = os.stat(f"{tree.roots.procfs}/cpuinfo")
    assert tree.update({"proc/stat": b"2", "proc/cpuinfo": b"x"}) == 1
    assert os.stat(f"{tree.roots.procfs}/cpuinfo").st_ino == before.st_ino


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "proc/../../x"])
def test_stays_in_its_directory(tmp_path: Path, path: str) -> None:
    """A path that leads out of the tree is refused, and nothing is written."""
    (tmp_path / "own").mkdir()
    tree = Tree(str(tmp_path / "own"))
    with pytest.raises(ValueError, match="expected a path below its root, got '"):
        tree.update({path: b""})
    assert content(tmp_path) == {}


def test_a_failed_write_is_made_up_for(tmp_path: Path) -> None:
    """What could not be written is written by the next update."""
    tree = Tree(str(tmp_path))
    tree.update({"proc/a": b"1"})
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        tree.update({"proc/a": b"2"})
    assert (Path(tree.roots.procfs) / "a").read_bytes() == b"1"
    (tmp_path / "new").rmdir()
    tree.update({"proc/a": b"2"})
    assert (Path(tree.roots.procfs) / "a").read_bytes() == b"2"


def test_no_reader_sees_a_torn_file(tmp_path: Path) -> None:
    """Readers through Host, during many updates, always get one whole content or another, and no temporary names."""
    tree = Tree(str(tmp_path))
    contents = [bytes([65 + n]) * (5_000 + 3_000 * n) for n in range(4)]
    tree.update({"proc/stat": contents[0]})
    host = Host(*tree.roots)
    done = threading.Event()

    def write() -> None:
        for turn in range(400):
            tree.update({"proc/stat": contents[turn % len(contents)]})
        done.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    while not done.is_set() and writer.is_alive():
        assert host.read(host.proc("stat")) in contents
        assert host.list(host.procfs) == ["stat"]
    writer.join(30)
    assert done.is_set()
