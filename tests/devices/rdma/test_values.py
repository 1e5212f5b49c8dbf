"""Values of RDMA attributes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.rdma.values import (
    UINT8_MAX,
    counter,
    gid,
    guid,
    local_identifier,
    number_and_word,
    port_guid,
    rate,
    words,
)
from nodescope.kernel.number import UINT64_MAX

GUID = "a088:c203:005a:f21e"


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (b"4: ACTIVE\n", (4, "ACTIVE")), (b"1: CA\n", (1, "CA")), (b"4: PortConfigurationTraining", (4,
         "PortConfigurationTraining")), (b"9: <unknown>\n", (9, None)), (b"ACTIVE\n", (None, None)),
        (b"-1: DOWN", (None, None)), (b"256: DOWN", (None, None)), (b"", (None, None)), (None, (None, None)),
    ],
)  # fmt: skip
def test_a_number_and_its_word(raw: bytes | None, known: tuple[int | None, str | None]) -> None:
    """Both, or neither; a word that the kernel does not know is none."""
    assert number_and_word(raw) == known


@pytest.mark.parametrize(
    ("raw", "bits"),
    [
        (b"400 Gb/sec (4X NDR)\n", 400_000_000_000), (b"2.5 Gb/sec (1X SDR)\n", 2_500_000_000),
        (b"0 Gb/sec (1X SDR)\n", 0), (b"400 Mb/sec\n", None), (b"fast\n", None), (b"-1 Gb/sec", None),
        (b"nan Gb/sec", None), (b"1e300 Gb/sec", None), (b"", None), (None, None),
    ],
)  # fmt: skip
def test_a_rate(raw: bytes | None, bits: int | None) -> None:
    """Bits per second of gigabits."""
    assert rate(raw) == bits


@pytest.mark.parametrize(
    ("written", "known"),
    [
        (GUID, GUID), (GUID.upper(), GUID), ("0000:0000:0000:0000", None), ("a088:c203:005a", None), ("", None),
        (None, None), (f"{GUID}:0000", None),
    ],
)  # fmt: skip
def test_a_guid(written: str | None, known: str | None) -> None:
    """Four groups in lower case; one that was never set is unknown."""
    assert guid(written) == known


def test_a_port_has_the_guid_in_its_first_gid() -> None:
    """It is the lower half, of a GID that is set, however short it is written; one of an IPv4 address has none."""
    assert gid("fe80::966d:aeff:fe12:3456") == "fe80:0000:0000:0000:966d:aeff:fe12:3456"
    assert port_guid("fe80::966d:aeff:fe12:3456") == "966d:aeff:fe12:3456"
    assert gid("::ffff:10.0.0.1") == "0000:0000:0000:0000:0000:ffff:0a00:0001"
    assert port_guid("0000:0000:0000:0000:0000:ffff:0a00:0001") is None
    assert gid("fe80::1::2") is None
    assert port_guid(f"fe80:0000:0000:0000:{GUID}") == GUID
    assert gid(f"FE80:0000:0000:0000:{GUID}\n") == f"fe80:0000:0000:0000:{GUID}"
    assert port_guid("0000:" * 7 + "0000") is None
    assert gid("0000:" * 7 + "0000") is None
    assert port_guid("fe80:0000:0000:0000:" + "0000:" * 3 + "0000") is None
    assert port_guid(GUID) is None


def test_text_is_bounded_and_can_be_printed() -> None:
    """What a driver left behind a NUL is cut off, what cannot be printed is a question mark, nothing is None."""
    assert words(b"  MT4129 \n") == "MT4129"
    assert words(b"28.39\0garbage") == "28.39"
    assert words(b"a\x1bb\xffc") == "a?b\ufffdc"
    assert words(b"x" * 10_000) == "x" * 128
    assert words(b" \n") is None
    assert words(None) is None


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    """No bytes make an error, and what is told is possible."""
    value, word = number_and_word(raw)
    assert value is None or 0 <= value <= UINT8_MAX
    assert word is None or value is not None
    assert (bits := rate(raw)) is None or bits >= 0
    assert (count := counter(raw)) is None or 0 <= count <= UINT64_MAX
    assert (lid := local_identifier(raw)) is None or lid >= 0
    line = words(raw)
    assert line is None or (line.isprintable() and len(line) <= 128)
    assert gid(line) is None or len(gid(line) or "") == 39
