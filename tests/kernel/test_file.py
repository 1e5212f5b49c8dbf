"""What tells that a stored file has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from nodescope.kernel.file import changed_ns, stamp

TICK_S = 0.05
"""More than a tick of a filesystem's clock."""


def test_a_file_written_under_its_old_time_is_another(tmp_path: Path) -> None:
    """Content of the same length in the same file shows in the stamp, though the time of modification is set back."""
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, (1e9, 1e9))
    before = path.stat()
    assert stamp(before) == stamp(path.stat())
    time.sleep(TICK_S)
    path.write_text("two")
    os.utime(path, (1e9, 1e9))
    after = path.stat()
    assert after.st_mtime_ns == before.st_mtime_ns
    assert stamp(after) != stamp(before)


def test_the_newest_time_counts(tmp_path: Path) -> None:
    """A file with an old time of modification has changed when it was given that, one from the future then."""
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (1e9, 1e9))
    assert changed_ns(path.stat()) == path.stat().st_ctime_ns
    os.utime(path, (1e10, 1e10))
    assert changed_ns(path.stat()) == 10**19
