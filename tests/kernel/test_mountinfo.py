from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel.mountinfo import MountPoint, parse_mountinfo, without_root
from tests.collectors.host.machine import mangled, parses_or_refuses

ROOT = b"29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/dm-2 errors=remount-ro,data=ordered\n"


def mount(line: bytes) -> MountPoint:
    (found,) = parse_mountinfo(line, "mountinfo")
    return found


def test_fields() -> None:
    """Device, mount point, type and device number."""
    assert mount(ROOT) == MountPoint("/dev/dm-2", "/", "ext4", "259", "2", 0, "/")


@pytest.mark.parametrize("fields", [b"", b"shared:1 ", b"shared:1 master:7 propagate_from:2 unbindable new:thing "])
def test_any_number_of_optional_fields(fields: bytes) -> None:
    """Optional fields end with a hyphen, be there none or many."""
    assert mount(b"1 2 0:5 / /a rw " + fields + b"- tmpfs none rw").fstype == "tmpfs"


@pytest.mark.parametrize(
    ("options", "super_options", "readonly"),
    [
        (b"rw,relatime", b"rw", 0), (b"ro", b"rw", 1), (b"rw", b"rw,ro", 1), (b"rw,ro", b"rw", 1),
        (b"rw", b"ro,mode=755", 1), (b"rw", b"rw,emergency_ro", 1), (b"emergency_ro", b"rw", 0),
        (b"rw", b"errors=ro", 0), (b"noro", b"remount-ro", 0),
    ],
)  # fmt: skip
def test_readonly(options: bytes, super_options: bytes, readonly: int) -> None:
    """Read-only by the mount's options or the filesystem's own, as a word of its own."""
    assert mount(b"1 2 0:5 / /a " + options + b" - ext4 /dev/sda " + super_options).readonly == readonly


def test_only_blank_and_tab_are_unescaped() -> None:
    r"""The label has \040 and \011 unescaped and all else as the kernel wrote it; the path is the real one."""
    found = mount(rb"1 2 0:5 / /a\040b\011c\134d\012e\043f rw - ext4 /dev/a\040b rw")
    assert found.mountpoint == "/a b\tc\\134d\\012e\\043f"
    assert found.path == "/a b\tc\\d\ne#f"
    assert found.device == "/dev/a\\040b"


def test_bytes_that_are_not_utf8() -> None:
    """One replacement character for each run; the path keeps the bytes."""
    found = mount(b"1 2 0:5 / /a\xff\xfeb\xff rw - ext\xff /dev/\xc3 rw")
    assert (found.device, found.mountpoint, found.fstype) == ("/dev/\ufffd", "/a\ufffdb\ufffd", "ext\ufffd")
    assert found.path.encode("utf-8", "surrogateescape") == b"/a\xff\xfeb\xff"


def test_empty_words_are_words() -> None:
    """A mount point or a device without a name is an empty word between two blanks."""
    found = mount(b"1 1 0:5 /  /root rw - rootfs  rw")
    assert (found.mountpoint, found.fstype, found.device) == ("", "rootfs", "")


@pytest.mark.parametrize(
    "line",
    [
        b"1 2 0:5 / /a rw tmpfs none rw", b"1 2 0:5 / /a rw - tmpfs none", b"x 2 0:5 / /a rw - tmpfs none rw",
        b"1 x 0:5 / /a rw - tmpfs none rw", b"1 2 05 / /a rw - tmpfs none rw", b"1 2 0:x / /a rw - tmpfs none rw",
        b"1 2 0:5 / - rw", b"\xff", b"1 2 0:5",
    ],
)  # fmt: skip
def test_an_odd_line_costs_itself_alone(line: bytes) -> None:
    """A line that is not understood is left out; a file without any other is refused."""
    assert [found.mountpoint for found in parse_mountinfo(line + b"\n" + ROOT, "mountinfo")] == ["/"]
    with pytest.raises(Malformed, match="mountinfo: expected lines of mount id"):
        parse_mountinfo(line, "mountinfo")


def test_no_mounts() -> None:
    """An empty table is no failure."""
    assert parse_mountinfo(b"", "mountinfo") == []


@pytest.mark.parametrize(
    ("path", "root", "shown"),
    [
        ("/boot", "/", "/boot"), ("/host/boot", "/host", "/boot"), ("/host", "/host", "/"),
        ("/hostel", "/host", "/hostel"), ("/boot", "/host", "/boot"), ("/", "/host", "/"),
        ("", "/host", "/"), ("", "/", ""), ("/", "relative", "/"),
    ],
)  # fmt: skip
def test_without_root(path: str, root: str, shown: str) -> None:
    """The folder in which the host's root is mounted is taken off, and no other name that only begins like it."""
    assert without_root(path, root) == shown


@given(mangled(ROOT + rb"48 45 260:3 / /a\040b rw shared:92 master:1 - ext2 /dev/sda3 rw" + b"\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_mountinfo(data, "mountinfo"))
