"""The directories of simulated machines: private, and gone with their process sooner or later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nodescope.simulate.directory import PREFIX, Directory, remove_abandoned
from tools.serving import own_environment

LONG_S = 20.0
HOLDS = """
import sys
from nodescope.simulate.directory import Directory
directory = Directory(sys.argv[1])
directory.make()
open(f"{directory.path}/file", "w").close()
print(flush=True)
sys.stdin.read()
"""


def holder(parent: Path) -> subprocess.Popen[bytes]:
    """A process that has a directory in `parent`, with a file in it."""
    command = [sys.executable, "-c", HOLDS, str(parent)]
    process = subprocess.Popen(command, env=own_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    return process


def test_made_and_removed(tmp_path: Path) -> None:
    """It is for this user alone, has the number of its process in its name, and is removed with all that is in it."""
    directory = Directory(str(tmp_path))
    directory.make()
    (made,) = tmp_path.iterdir()
    assert str(made) == directory.path
    assert made.name.startswith(f"{PREFIX}{os.getpid()}-")
    assert made.stat().st_mode & 0o777 == 0o700
    (made / "a").mkdir()
    (made / "a/b").write_bytes(b"")
    directory.remove()
    directory.remove()
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_never_made(tmp_path: Path) -> None:
    """It can be removed as well: a signal may come at any time."""
    Directory(str(tmp_path)).remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_that_was_killed_left(tmp_path: Path) -> None:
    """It stays while its process lives, and is removed by whoever comes after that."""
    process = holder(tmp_path)
    try:
        remove_abandoned(str(tmp_path))
        (left,) = tmp_path.iterdir()
        assert [path.name for path in left.iterdir()] == ["file"]
    finally:
        process.kill()
        process.communicate(timeout=LONG_S)
    remove_abandoned(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_others_have(tmp_path: Path) -> None:
    """What is no directory, or not one of these, stays, and no link is followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "file").write_bytes(b"")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / f"{PREFIX}1-a").symlink_to(elsewhere)
    (shared / f"{PREFIX}1-b").write_bytes(b"")
    (shared / f"{PREFIX}1-c").mkdir(mode=0o755)
    (shared / "other").mkdir(mode=0o700)
    before = sorted(shared.iterdir())
    remove_abandoned(str(shared))
    assert sorted(shared.iterdir()) == before
    assert (elsewhere / "file").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Where there is no folder nothing is abandoned in it."""
    remove_abandoned(str(tmp_path / "nowhere"))
