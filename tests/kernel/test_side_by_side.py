from __future__ import annotations

import threading
import time

from nodescope.kernel.side_by_side import MAX_THREADS, read_all


def test_one_after_the_other() -> None:
    """What is answered at once is read in this thread, in order."""
    threads = set()

    def read(path: str) -> bytes | None:
        threads.add(threading.get_ident())
        return None if path == "2" else path.encode()

    assert read_all(read, ["1", "2", "3"], patience_s=60) == [b"1", None, b"3"]
    assert threads == {threading.get_ident()}
    assert read_all(read, []) == []


def test_side_by_side_when_slow() -> None:
    """When answers take long, the rest is read by a bounded number of threads, and comes in the order of the paths."""
    threads = set()
    paths = [str(number) for number in range(3 * MAX_THREADS)]

    def read(path: str) -> bytes:
        threads.add(threading.get_ident())
        time.sleep(0.002)
        return path.encode()

    assert read_all(read, paths, patience_s=0) == [path.encode() for path in paths]
    assert 1 < len(threads) <= 1 + MAX_THREADS
