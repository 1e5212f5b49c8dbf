from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.os import major_minor, unix_seconds
from nodescope.collectors.host.os_release import MAX_LINES, parse_os_release
from nodescope.host import Absent, Malformed
from tests.collectors.host.machine import Machine, mangled, parses_or_refuses, series

SAMPLE = b"""# who we are
NAME="Ubuntu"
VERSION="20.04.2 LTS (Focal Fossa)"
ID=ubuntu
export ID_LIKE=debian
VERSION_ID="20.04"
SUPPORT_END=2030-05-31
"""


def test_labels_version_and_end_of_support(machine: Machine) -> None:
    """What the file says, "" for labels that it does not say."""
    machine.write("root/etc/os-release", SAMPLE)
    assert series(machine.build("os").collect()) == {
        'node_os_info{build_id="",id="ubuntu",id_like="debian",image_id="",image_version="",name="Ubuntu",pretty_name="",'
        'variant="",variant_id="",version="20.04.2 LTS (Focal Fossa)",version_codename="",version_id="20.04"}': 1,
        'node_os_version{id="ubuntu",id_like="debian",name="Ubuntu"}': 20.04,
        "node_os_support_end_timestamp_seconds": 1906416000,
    }


def test_the_second_file_and_none(machine: Machine) -> None:
    """/etc comes before /usr/lib; without either there is nothing."""
    collector = machine.build("os")
    with pytest.raises(Absent):
        collector.collect()
    machine.write("root/usr/lib/os-release", "ID=second\n")
    assert 'id="second"' in next(iter(series(collector.collect())))
    machine.write("root/etc/os-release", "ID=first\n")
    assert 'id="first"' in next(iter(series(collector.collect())))


def test_what_is_left_out_is_counted(machine: Machine) -> None:
    """A date that is none and lines beyond the limit are counted, also while the file does not change."""
    machine.write("root/etc/os-release", "SUPPORT_END=soon\n" + "ID=x\n" * (MAX_LINES + 1))
    collector = machine.build("os")
    for _ in range(2):
        assert len(series(collector.collect())) == 1
        assert collector.left_out == 3
    machine.write("root/etc/os-release", SAMPLE)
    collector.collect()
    assert collector.left_out == 0


def test_a_change_is_seen_at_the_next_scrape(machine: Machine) -> None:
    """An upgrade changes the labels at once, even where size and name of the file stay."""
    machine.write("root/etc/os-release", "VERSION_ID=1.5\n")
    collector = machine.build("os")
    assert list(series(collector.collect()).values()) == [1, 1.5]
    machine.write("root/etc/os-release", "VERSION_ID=1.6\n")
    assert list(series(collector.collect()).values()) == [1, 1.6]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"A=b", "b"), (b"A=", ""), (b"A= b c ", "b c"), (b"\tA\t= \tb \t", "b"), (b"export A=b", "b"),
        (b'A="b c"', "b c"), (b"A='b # c'", "b # c"), (b"A=b # c", "b"), (b"A=b#c", "b"), (b"A=#b", ""),
        (b'A=" b "', " b "), (b"A='' # c", ""), (b"A=a'b 'c", "ab c"), (b'A=a "" # c', "a"), (b'A="b" # c', "b"),
        (rb'A="\"\\\/\n\t\b\f\r"', '"\\/\n\t\b\f\r'),
        (rb"A='\n'", "\\n"), (rb"A=\n", "\\n"), (rb'A="\u00e9"', "\u00e9"), (rb'A="\ud83d\ude00"', "\U0001f600"),
        (rb'A="\ud83d\u0041"', "\ufffd"), (b"A=\xc3\xa9 # c", "\u00e9"), (b'A="\xff\xfe"', "\ufffd"),
        (b"A=1\nA=2", "2"),
        (b"export =b", None), (b"# x\n\n  # y\r\nA=b\r", "b"),
    ],
)  # fmt: skip
def test_syntax(line: bytes, value: str | None) -> None:
    """Quotes, escapes, comments, blanks and export mean what a shell would make of them."""
    assert parse_os_release(line, "os-release") == ({"A": value} if value is not None else {"export": "b"})


@pytest.mark.parametrize(
    "line",
    [
        b"A", b"=b", b"1A=b", b"A-B=c", b"export  A=b", b'A="b', b"A='b", b'A="b\\', rb'A="\x"',
        rb'A="\u12"', rb'A="\ud83d"', rb'A="\ud83dx"', b'A="\\\xc3"', b'A="\t"', b"A=b\x01c", b"A b=c", b"\xffA=b",
    ],
)  # fmt: skip
def test_malformed(machine: Machine, line: bytes) -> None:
    """A line that breaks the syntax is shown, with the file's name."""
    machine.write("root/etc/os-release", b"ID=x\n" + line + b"\n")
    with pytest.raises(Malformed, match="etc/os-release: expected lines NAME=value"):
        machine.build("os").collect()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("20.04.2", 20.04), ("12", 12), ("9.", 9), ("39 (x)", 39), ("", None), ("rawhide", None), ("0", None),
        ("v2", None), ("9" * 400, None), ("\u0663", None),
    ],
)  # fmt: skip
def test_major_minor(text: str, version: float | None) -> None:
    """The leading number with at most one point, if there is one above 0."""
    assert major_minor(text) == version


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0), ("2024-02-29", 1709164800), ("2030-12-31", 1924905600), ("1969-12-31", -86400),
        ("2023-02-29", None), ("1900-02-29", None), ("2000-02-29", 951782400), ("2024-13-01", None),
        ("2024-00-10", None), ("2024-1-01", None), ("", None), ("soon", None), ("2024-04-31", None),
        ("2024-04-30 ", None),
    ],
)  # fmt: skip
def test_end_of_support(text: str, seconds: int | None) -> None:
    """Midnight UTC of a day that exists."""
    assert unix_seconds(text) == seconds


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_os_release(data, "os-release"))
