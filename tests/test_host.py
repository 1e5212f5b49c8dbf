"""Host: reads, kept descriptors, absence, text."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import (
    SETTLED_NS,
    STORED_SELDOM_SECONDS,
    Absent,
    Host,
    Malformed,
    text,
)
from nodescope.kernel.file import STORED_BYTES


def tree(root: Path, files: dict[str, str]) -> Host:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Host(f"{root}/proc/", f"{root}/sys", str(root), f"{root}/run/udev/data")


def test_paths_go_through_the_given_roots(tmp_path: Path) -> None:
    """Every kind of path starts at the root it was given for, with one slash between."""
    host = tree(tmp_path, {})
    assert host.proc("stat") == f"{tmp_path}/proc/stat"
    assert host.sys("class/net") == f"{tmp_path}/sys/class/net"
    assert host.udev("b8:0") == f"{tmp_path}/run/udev/data/b8:0"
    assert host.root("/etc/os-release") == f"{tmp_path}/etc/os-release"
    assert Host().root("/etc/os-release") == "/etc/os-release"


def test_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    """A missing file, a file in a missing directory and a file under a file are all Absent, in every way of reading."""
    host = tree(tmp_path, {"proc/stat": "cpu"})
    for path in ("proc/none", "none/none", "proc/stat/none"):
        with pytest.raises(Absent):
            host.read(f"{tmp_path}/{path}")
        with pytest.raises(Absent):
            host.read_once(f"{tmp_path}/{path}")
        with pytest.raises(Absent):
            host.list(f"{tmp_path}/{path}")


def test_a_directory_in_place_of_a_file_is_an_error_not_absence(tmp_path: Path) -> None:
    """What is there but cannot be read raises OSError, so that it counts as a failure."""
    (tmp_path / "proc" / "stat").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        Host(f"{tmp_path}/proc").read(f"{tmp_path}/proc/stat")


def test_kernel_files_stay_open_and_are_read_whole() -> None:
    """A file of procfs is kept open after its first read and gives its whole content each time."""
    host = Host()
    first = host.read("/proc/self/mountinfo")
    assert host.kept_descriptors == 1
    with open("/proc/self/mountinfo", "rb") as file:
        assert first == file.read() == host.read("/proc/self/mountinfo")
    assert host.kept_descriptors == 1
    host.close()
    assert host.kept_descriptors == 0


def test_a_kept_file_whose_process_is_gone_is_absent() -> None:
    """A kept descriptor that answers ESRCH is opened again by its name, and is Absent where that is gone too."""
    host = Host()
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    path = f"/proc/{child}/stat"
    assert host.read(path).startswith(str(child).encode())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with pytest.raises(Absent):
        host.read(path)


def test_other_files_are_opened_at_each_read(tmp_path: Path) -> None:
    """A file that is not the kernel's can be replaced by another of its name, and the next read sees that."""
    host = tree(tmp_path, {"proc/stat": "one"})
    assert host.read(host.proc("stat")) == b"one"
    (tmp_path / "other").write_text("two")
    os.rename(tmp_path / "other", tmp_path / "proc" / "stat")
    assert host.read(host.proc("stat")) == b"two"
    assert host.kept_descriptors == 0


def test_the_absence_of_what_the_kernel_has_not_built_in_is_remembered(tmp_path: Path) -> None:
    """A file that procfs lacks is not looked for at each read; on another filesystem it always is."""
    host = Host()
    with pytest.raises(Absent):
        host.read("/proc/self/none", built_in=True)
    assert (host.lacks("/proc/self/none"), host.lacks("/proc/self/stat")) == (True, False)
    plain = tree(tmp_path, {"proc/stat": "one"})
    with pytest.raises(Absent):
        plain.read(plain.proc("later"), built_in=True)
    (tmp_path / "proc" / "later").write_text("two")
    assert plain.read(plain.proc("later"), built_in=True) == b"two"


def test_reading_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """Reads of plain files, absent files and once-read files leave the number of open descriptors as it was."""
    host = tree(tmp_path, {"proc/stat": "x" * 10_000})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        host.read(host.proc("stat"))
        host.read_once(host.proc("stat"))
        with pytest.raises(Absent):
            host.read(host.proc("none"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_malformed_shows_eighty_bytes_at_most() -> None:
    """The message names the source and what was expected, and cuts what it shows."""
    message = str(Malformed("/proc/stat", b"x" * 500, "a number"))
    assert message.startswith("/proc/stat: expected a number, got b'xxx")
    assert len(message) < 130


def test_text_replaces_each_run_of_bad_bytes_once() -> None:
    """Bytes that are not UTF-8 become one U+FFFD per run."""
    assert text(b"a\xff\xfe\xffb\xc3\xa9\xc3") == "a\ufffdb\u00e9\ufffd"


@given(st.binary(max_size=200))
def test_text_is_always_valid_unicode(raw: bytes) -> None:
    """Whatever the bytes, the text can be encoded as UTF-8."""
    text(raw).encode()


def test_a_closed_host_reads_and_keeps_nothing() -> None:
    """A read that comes after the close, of a scrape under way, leaves no descriptor."""
    host = Host()
    assert host.read(host.proc("loadavg"))
    assert host.kept_descriptors == 1
    host.close()
    assert host.read(host.proc("loadavg"))
    assert host.kept_descriptors == 0


def test_what_hardly_ever_changes_is_remembered_where_the_kernel_makes_it() -> None:
    """A file of procfs that is read seldom is read anew only after its time, or when its folder is forgotten."""
    host = Host()
    path = "/proc/sys/kernel/random/uuid"  # another at each read
    first = host.read_seldom(path)
    assert host.read_seldom(path) == first
    host.forget("/proc/sys/kernel/random")
    assert host.read_seldom(path) != first
    assert host.read_seldom("/proc/self/../sys/kernel/random/uuid", keep_s=0) != first


def test_why_a_kernel_file_cannot_be_read_is_remembered_too() -> None:
    """A file of procfs that is not there stays Absent for its time, without another look."""
    host = Host()
    with pytest.raises(Absent):
        host.read_seldom("/proc/self/none")
    with pytest.raises(Absent):
        host.read_seldom("/proc/self/none")


def test_a_table_of_records_is_read_whole() -> None:
    """Few records, which one read gives, and more than fit into a page: all are there, as without the shortcut."""
    host = Host()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(80)]
    try:
        for bound in (1, 80):
            for each in sockets[:bound]:
                if each.getsockname()[1] == 0:
                    each.bind(("127.0.0.1", 0))
            ports = {b":%04X" % each.getsockname()[1] for each in sockets[:bound]}
            found = {line.split()[1][-5:] for line in host.read("/proc/net/udp", record_bytes=512).splitlines()[1:]}
            assert ports <= found
    finally:
        for each in sockets:
            each.close()


def test_that_a_kernel_directory_is_not_there_is_remembered(tmp_path: Path) -> None:
    """It is looked for again after its time, at once where nothing is to be remembered, or when it is forgotten."""
    host = Host()
    number = os.open(tmp_path, os.O_RDONLY)
    os.close(number)
    path = f"/proc/self/fd/{number}"
    (tmp_path / "name").touch()
    with pytest.raises(Absent):
        host.list(path, keep_s=60)
    # The lowest number that is free is given, so it is that one again.
    again = os.open(tmp_path, os.O_RDONLY)
    try:
        assert again == number
        with pytest.raises(Absent):
            host.list(path, keep_s=60)
        assert host.list(path) == ["name"]
        host.forget(path)
        assert host.list(path, keep_s=60) == ["name"]
    finally:
        os.close(again)


def test_a_kernel_directory_without_entries_is_remembered() -> None:
    """The very same empty list is given until its time is over, as a list with names is."""
    empty = next((str(folder) for folder in Path("/sys/class").glob("*") if not any(folder.iterdir())), None)
    if empty is None:
        pytest.skip("no empty class in sysfs here")
    host = Host()
    for path in (empty, "/sys/class"):
        assert host.list(path, keep_s=60) is host.list(path, keep_s=60)
        assert host.list(path) is not host.list(path)


def test_a_stored_directory_is_always_as_it_is_now(tmp_path: Path) -> None:
    """On a fixture machine a directory that comes or goes is seen at once, however long it might be remembered."""
    host = tree(tmp_path, {"proc/stat": "x"})
    path = tmp_path / "proc" / "folder"
    with pytest.raises(Absent):
        host.list(str(path), keep_s=60)
    path.mkdir()
    assert host.list(str(path), keep_s=60) == []
    (path / "name").touch()
    assert host.list(str(path), keep_s=60) == ["name"]
    (path / "name").unlink()
    path.rmdir()
    with pytest.raises(Absent):
        host.list(str(path), keep_s=60)


def test_what_was_remembered_is_raised_without_what_happened_before() -> None:
    """A failure that is told again and again holds the frames of the last time alone."""
    host = Host()
    for _ in range(3):
        with pytest.raises(Absent) as told:
            host.read_seldom("/proc/self/none")
    assert len(told.traceback) == 2


def test_a_stored_file_is_always_as_it_is_now(tmp_path: Path) -> None:
    """On a fixture machine each change of a file shows at once, an old file's too."""
    host = tree(tmp_path, {"proc/name": "one"})
    path = tmp_path / "proc/name"
    settle(path)
    assert host.read(str(path)) == b"one"
    path.write_text("two")
    assert host.read(str(path)) == b"two"
    path.write_text("six")
    assert host.read(str(path)) == b"six"
    path.unlink()
    with pytest.raises(Absent):
        host.read(str(path))


def settle(*paths: Path) -> None:
    """Waits until what was written now is long enough ago for it to be kept."""
    newest_ns = max(path.stat().st_ctime_ns for path in paths)
    time.sleep(max(0, newest_ns + SETTLED_NS - time.time_ns()) / 1e9 + 0.01)


def test_what_is_unpacked_over_a_settled_tree_is_seen(tmp_path: Path) -> None:
    """Other content in the same file, or other names in the same folder, show also where all times of writing agree."""
    host = tree(tmp_path, {"proc/stat": "one", "sys/ports/1": ""})
    stat, ports = tmp_path / "proc/stat", tmp_path / "sys/ports"
    for path in (stat, ports):
        os.utime(path, (1e9, 1e9))
    settle(stat, ports)
    for _ in range(2):
        assert host.read(str(stat)) == b"one"
        assert host.list(str(ports)) == ["1"]
    stat.write_text("two")
    (ports / "1").rename(ports / "2")
    for path in (stat, ports):
        os.utime(path, (1e9, 1e9))
    assert host.read(str(stat)) == b"two"
    assert host.list(str(ports)) == ["2"]


def test_a_stored_file_that_is_read_seldom_is_looked_at_again_soon(tmp_path: Path) -> None:
    """One written just now shows each change at once, one that has settled a few seconds later."""
    host = tree(tmp_path, {"proc/new": "one", "proc/old": "one"})
    new, old = tmp_path / "proc/new", tmp_path / "proc/old"
    settle(old)
    new.write_text("one")
    assert host.read_seldom(str(new)) == host.read_seldom(str(old)) == b"one"
    new.write_text("two")
    old.write_text("two")
    assert host.read_seldom(str(new)) == b"two"
    deadline = time.monotonic() + 10 * STORED_SELDOM_SECONDS
    while host.read_seldom(str(old)) != b"two":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stored_file_of_any_length_is_read_whole(tmp_path: Path) -> None:
    """Longer than one read, and exactly as long."""
    for length in (STORED_BYTES - 1, STORED_BYTES, STORED_BYTES + 1, 3 * STORED_BYTES):
        host = tree(tmp_path, {"proc/long": "x" * length})
        assert len(host.read(f"{tmp_path}/proc/long")) == length


def test_a_file_of_the_kernels_in_a_stored_tree_is_read_whole(tmp_path: Path) -> None:
    """A file of several pages that the kernel makes, linked into a tree of stored files, is not cut after the first."""
    host = tree(tmp_path, {"proc/stat": "cpu"})
    (tmp_path / "proc/smaps").symlink_to("/proc/self/smaps")
    assert len(host.read(host.proc("smaps"))) > 4 * os.sysconf("SC_PAGESIZE")


def test_a_directory_replaced_by_another_of_the_same_time_is_listed_anew(tmp_path: Path) -> None:
    """On a fixture machine a folder that takes another's place shows its own names, though both have the same time."""
    host = tree(tmp_path, {"sys/ports/1": "", "sys/new/1": "", "sys/new/2": ""})
    for name in ("ports", "new"):
        os.utime(tmp_path / "sys" / name, (1e9, 1e9))
    assert host.list(f"{tmp_path}/sys/ports") == ["1"]
    (tmp_path / "sys/ports").rename(tmp_path / "sys/old")
    (tmp_path / "sys/new").rename(tmp_path / "sys/ports")
    assert host.list(f"{tmp_path}/sys/ports") == ["1", "2"]


def test_a_stored_file_that_is_read_both_ways_may_change(tmp_path: Path) -> None:
    """What one reader finds changed does not trip another who reads the same file seldom."""
    host = tree(tmp_path, {"proc/name": "one"})
    path = tmp_path / "proc/name"
    settle(path)
    assert host.read_seldom(str(path)) == b"one"
    path.write_text("two")
    assert host.read(str(path)) == b"two"
    assert host.read_seldom(str(path)) == b"two"
    path.unlink()
    with pytest.raises(Absent):
        host.read_seldom(str(path))
