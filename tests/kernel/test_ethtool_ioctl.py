from __future__ import annotations

import errno
import struct
from functools import partial

import pytest
from hypothesis import given

from nodescope.host import Malformed
from nodescope.kernel.ethtool_ioctl import (
    MAX_STATISTICS,
    Driver,
    EthtoolSocket,
    Link,
    parse_driver,
    parse_link,
    parse_names,
)
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.kernel.ethtool_answers import GLINKSETTINGS, Device, Drivers, driver, link, names, older_link
from tests.kernel.network_namespace import in_a_network_namespace, ip

DRIVER = driver("mlx5_core", "6.8.0-31", "22.41.1000 (MT_0000000359)", "0000:19:00.0", "", statistics=1500)
WIDE = 1 << 73 | 1 << 6


def test_driver() -> None:
    """Texts end at their first NUL or with their room; what is no UTF-8 is replaced."""
    assert parse_driver(DRIVER) == Driver(
        "mlx5_core", "6.8.0-31", "22.41.1000 (MT_0000000359)", "0000:19:00.0", "", 1500
    )  # fmt: skip
    odd = parse_driver(driver(b"a\0b", b"v" * 32, b"\xff\xfe"))
    assert odd[:3] == ("a", "v" * 32, "\ufffd")


def test_link() -> None:
    """Masks of any length, and the older masks of 32 bits."""
    assert parse_link(link(WIDE, 1 << 6, 1)) == Link(WIDE, 1 << 6, 1)
    assert parse_link(link(1, 2, words=1)) == Link(1, 2, 0)
    assert parse_link(older_link(0xFFFFFFFF, 5, 1)) == Link(0xFFFFFFFF, 5, 1)


def test_names() -> None:
    """Each name ends at its first NUL or with its room; bytes that are too few for a name are none."""
    assert parse_names(names("rx_bytes", b"x" * 32, b"a\xff", "") + b"short") == ["rx_bytes", "x" * 32, "a\ufffd", ""]


@pytest.mark.parametrize(
    "parse",
    [
        lambda: parse_driver(DRIVER[:195]), lambda: parse_link(b""), lambda: parse_link(link(1)[:71]),
        lambda: parse_link(link(1, words=0)), lambda: parse_link(older_link(1)[:43]),
    ],
)  # fmt: skip
def test_malformed(parse: partial[object]) -> None:
    """What is too short is refused."""
    with pytest.raises(Malformed, match="ethtool: expected"):
        parse()


def test_the_length_of_masks_is_asked_once() -> None:
    """The kernel says how long its masks are at the first question; then it is asked with that length."""
    drivers = Drivers(eth0=Device(link(WIDE)))
    assert [parse_link(drivers.link(b"eth0")).supported for _ in range(2)] == [WIDE, WIDE]
    assert drivers.asked == [("eth0", GLINKSETTINGS)] * 3


def test_an_older_driver() -> None:
    """A driver that has but the older settings is asked for those."""
    assert parse_link(Drivers(eth0=Device(older_link=older_link(5))).link(b"eth0")) == Link(5, 0, 0)


@pytest.mark.parametrize(
    ("device", "number"),
    [(Device(), errno.EOPNOTSUPP), (Device(older_link=errno.EPERM), errno.EPERM), (Device(errno.EIO), errno.EIO)],
)
def test_a_refusal(device: Device, number: int) -> None:
    """What a driver refuses is an OSError with its number."""
    with pytest.raises(OSError) as refused:  # noqa: PT011
        Drivers(eth0=device).link(b"eth0")
    assert refused.value.errno == number


def test_a_kernel_that_never_says_how_long_its_masks_are() -> None:
    """It is asked twice, no more."""
    drivers = Drivers(eth0=Device(link(1, words=0)))
    with pytest.raises(Malformed, match="masks of"):
        drivers.link(b"eth0")
    assert len(drivers.asked) == 2


def test_statistics() -> None:
    """Names and numbers, as many as there are; both empty where their number is no longer what it was."""
    drivers = Drivers(eth0=Device(statistics={"a": 1, "b": 2**64 - 1}))
    assert drivers.statistics(b"eth0", 2) == (names("a", "b"), struct.pack("=QQ", 1, 2**64 - 1))
    assert drivers.statistics(b"eth0", 1) == (b"", b"")
    with pytest.raises(Malformed, match="at most"):
        drivers.statistics(b"eth0", MAX_STATISTICS + 1)


@pytest.mark.parametrize("device", [b"", b"x" * 16, b"no-such-device"])
def test_no_such_device(device: bytes) -> None:
    """A device that is not there, and a name that none can have, are refused alike."""
    with pytest.raises(OSError) as refused:  # noqa: PT011
        EthtoolSocket().driver(device)
    assert refused.value.errno == errno.ENODEV


def test_a_real_device() -> None:
    """A driver of this kernel says what it is, what its link can do, and what it counts."""

    def veth() -> tuple[Driver, Link, list[str], bytes]:
        ip("link add left type veth peer name right")
        ethtool = EthtoolSocket()
        about = parse_driver(ethtool.driver(b"left"))
        listed, counters = ethtool.statistics(b"left", about.statistics)
        return about, parse_link(ethtool.link(b"left")), parse_names(listed), counters

    about, settings, listed, counters = in_a_network_namespace(veth)
    assert about.driver == "veth"
    assert settings == Link(0, 0, 0)
    assert listed[0] == "peer_ifindex"
    assert len(counters) == 8 * len(listed) == 8 * about.statistics


@given(mangled(DRIVER) | mangled(link(WIDE)) | mangled(older_link(5)))
def test_any_answer(data: bytes) -> None:
    """Whatever a driver writes, it is read or refused."""
    for parse in (parse_driver, parse_link, parse_names):
        parses_or_refuses(partial(parse, data))
