"""Who gets how many of the descriptors that this process may have, and what is remembered where there are none."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.host import Host
from nodescope.kernel.descriptors import LEAST_CLIENTS, MAX_KEPT_DESCRIPTORS, most_clients, most_kept
from tests.collectors.host.mount_namespace import in_a_namespace, mount


def test_half_of_the_descriptors_are_kept_at_most() -> None:
    """A low limit on open files lowers the number that is kept; no limit and a high one do not."""
    assert most_kept(32) == 16
    assert most_kept(1_000_000) == MAX_KEPT_DESCRIPTORS
    assert most_kept(resource.RLIM_INFINITY) == MAX_KEPT_DESCRIPTORS


def test_clients_of_all_listeners_have_a_quarter() -> None:
    """Where that is less than was asked for it is shared by the listeners, and each has room for some."""
    assert most_clients(512, 1, 128) == 32
    assert most_clients(512, 4, 1024) == 64
    assert most_clients(8, 1, 1024) == 8
    assert most_clients(512, 3, 16) == LEAST_CLIENTS
    assert most_clients(512, 9, resource.RLIM_INFINITY) == 512


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """None can be opened in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_that_there_was_no_descriptor_is_not_remembered_of_a_file() -> None:
    """A file of the kernel's that could not be opened for want of descriptors is read at the next call."""
    host = Host()
    path = host.proc("sys/kernel/ostype")
    assert host.read(host.proc("loadavg"))
    with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        host.read_seldom(path)
    assert host.read_seldom(path) == b"Linux\n"


def test_a_kernel_tree_is_not_taken_for_stored_files_for_want_of_descriptors() -> None:
    """A host that is first asked when there are none still learns afterwards what the kernel makes."""
    host = Host()
    for ask in (lambda: host.list("/sys/class", 5), lambda: host.read("/proc/loadavg"), lambda: host.stored):
        with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
            ask()
    assert not host.stored
    assert host.read("/proc/loadavg")
    assert host.kept_descriptors == 1


def test_files_are_read_where_this_process_may_not_know_its_mounts(tmp_path: Path) -> None:
    """What is refused for another reason than want, by a security module say, is so for good: all else is read."""
    (tmp_path / "loadavg").write_text("0 0 0 1/1 1\n")

    def look() -> None:
        mount("tmpfs", Path("/proc"), "tmpfs")
        os.makedirs("/proc/self/mountinfo")
        assert Host(procfs=str(tmp_path)).read(f"{tmp_path}/loadavg") == b"0 0 0 1/1 1\n"

    in_a_namespace(look)
