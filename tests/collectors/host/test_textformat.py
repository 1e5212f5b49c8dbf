from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.textformat import MAX_SAMPLES, ParsedFamily, parse_text
from nodescope.collectors.host.textformat_number import parse_float
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses

SAMPLE = rb"""
# HELP smart_temperature Of a disk, in \\ \"Celsius\",\nor not.
# TYPE smart_temperature gauge
smart_temperature{disk="/dev/sda",type="a\\b\"c\nd"} 36
smart_temperature{disk="/dev/sdb"} 4.1e1

# TYPE latency histogram
latency_bucket{op="read",le="0.5"} 2
latency_bucket{op="read",le="+Inf"} 5
latency_sum{op="read"} 1.5
latency_count{op="read"} 5
# TYPE rpc summary
rpc{quantile="0.5"} 0.1
rpc_sum 12
rpc_count 3
up 1
"""


def parsed(data: bytes | str) -> dict[str, ParsedFamily]:
    raw = data if isinstance(data, bytes) else data.encode()
    return {family.name: family for family in parse_text(raw, "x.prom")}


def samples(data: bytes | str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Name -> labels and value of each sample."""
    return {
        name: [(dict(sample.labels), sample.value) for sample in family.samples]
        for name, family in parsed(data).items()
    }


def test_all_kinds() -> None:
    """Help, type, escapes, and the parts of histograms and summaries under the family's name."""
    found = parsed(SAMPLE)
    assert list(found) == ["smart_temperature", "latency", "rpc", "up"]
    assert found["smart_temperature"].help == 'Of a disk, in \\ "Celsius",\nor not.'
    assert [family.type for family in found.values()] == ["gauge", "histogram", "summary", "untyped"]
    assert samples(SAMPLE)["smart_temperature"] == [
        ({"disk": "/dev/sda", "type": 'a\\b"c\nd'}, 36), ({"disk": "/dev/sdb"}, 41)
    ]  # fmt: skip
    (latency,) = found["latency"].distributions
    assert (latency.labels, latency.parts, latency.sum, latency.count) == (
        (("op", "read"),), {0.5: 2, math.inf: 5}, 1.5, 5
    )  # fmt: skip
    (rpc,) = found["rpc"].distributions
    assert (rpc.labels, rpc.parts, rpc.sum, rpc.count) == ((), {0.5: 0.1}, 12, 3)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a 1", {"a": [({}, 1)]}), ("\t a\t 1", {"a": [({}, 1)]}), ("a{} 1", {"a": [({}, 1)]}),
        ('a{b="c"}1', {"a": [({"b": "c"}, 1)]}), ('a {b="c",} 1', {"a": [({"b": "c"}, 1)]}),
        ('a{ b\t= "c" , d = "" } 1', {"a": [({"b": "c", "d": ""}, 1)]}), ("a-1", {"a": [({}, -1)]}),
        ("a.5", {"a": [({}, 0.5)]}), (":a:b 1", {":a:b": [({}, 1)]}), ('{"a"} 1', {"a": [({}, 1)]}),
        ('{"a",b="c"} 1', {"a": [({"b": "c"}, 1)]}), ('{b="c","a"} 1', {"a": [({"b": "c"}, 1)]}),
        ("{a} 1", {"a": [({}, 1)]}), ('a{"b"="c"} 1', {"a": [({"b": "c"}, 1)]}), ('"a" 1', {"a": [({}, 1)]}),
        ('a"b" 1', {"ab": [({}, 1)]}), ('a{le="1",quantile="x"} 1', {"a": [({"le": "1", "quantile": "x"}, 1)]}),
        ('a{b="{},=#"} 1', {"a": [({"b": "{},=#"}, 1)]}), ('a{b="\0\r"} 1', {"a": [({"b": "\0\r"}, 1)]}),
    ],
)  # fmt: skip
def test_samples(line: str, expected: dict[str, Any]) -> None:
    """What the reference takes for a sample: blanks or none between the parts, names in quotes or in the braces."""
    assert samples(line + "\n") == expected


@pytest.mark.parametrize(
    "line",
    [
        "# TYPE a", "# TYPE a ", "# HELP", "# HELP ", "# HELP a", "# HELP a  ", "#", "#  ", "# anything {", "#HELPa",
        "# HELP\r", "# \xff \x00", " ", "\t \t", '# HELP "a b"', "# help a b", "## TYPE a b", "#\r",
    ],
)  # fmt: skip
def test_comments_that_say_nothing(line: str) -> None:
    """Comments, and HELP and TYPE lines that stop short, are passed over; whatever is no name yet is no error yet."""
    assert samples(f"{line}\na 1\n") == {"a": [({}, 1)]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# TYPE a counter", "counter"), ("#TYPE\ta \t COUNTER", "counter"), ("# TYPE a gauGe", "gauge"),
        ("# TYPE a untyped", "untyped"), ("# TYPE a summary", "summary"), ("# TYPE a histogram", "histogram"),
        ("# TYPE a gaugehistogram", "histogram"), ("# TYPE a gauge_histogram", "histogram"), ("", "untyped"),
        ('# TYPE "a" gauge', "gauge"), ("# TYPE a coun\\ter", "counter"), ("# TYPE a \u017fummary", "summary"),
    ],
)  # fmt: skip
def test_types(line: str, expected: str) -> None:
    """A type in any case; without one a family is untyped; gauge histograms are histograms."""
    assert parsed(f"{line}\na 1\n")["a"].type == expected


@pytest.mark.parametrize(
    "data",
    [
        "a 1", "a 1\nb 2", "# comment", "#", "# HELP a b", "a", "a\n", "a \n", "a{\n", "a{} \n", "a 1 \n", "a 1\t\n",
        "a 1\r\n", "\r\n", "# TYPE a gauge\r\na 1\n", "a 1 1441205977284\n", "a 1 x\n", "a 1 2 3\n", "a 1,5\n",
        "a 1_000\n", "a 0x10\n", "a 0x1p-2\n", "a 1e400\n", "a -1e400\n", "a 1e\n", "a .\n", "a +nan\n", "a infin\n",
        "a \u0661\n", "9a 1\n", "-a 1\n", "a-b 1\n", "a.b 1\n", '{"a.b"} 1\n', "{} 1\n", '{b="c"} 1\n', '{"a","b"} 1\n',
        "{a:b} 1\n", '{"a".b="c"} 1\n', '"" 1\n', '{""} 1\n', 'a{"b"} 1\n', 'a{b="c"\n', 'a{b="c\n"} 1\n',
        'a{b="c" d="e"} 1\n', 'a{,} 1\n', 'a{b="c",,} 1\n', 'a{b=c} 1\n', "a{b='c'} 1\n", 'a{b:c="d"} 1\n',
        'a{9b="c"} 1\n', 'a{b-c="d"} 1\n', 'a{"b.c"="d"} 1\n', 'a{b="\\t"} 1\n', 'a{b="c\\"} 1\n', 'a{b="c",b="d"} 1\n',
        'a{__name__="b"} 1\n', 'a{__b="c"} 1\n', 'a{b="c"}{d="e"} 1\n', 'a{b="c"+} 1\n', "# HELP a b\\c\n",
        "# HELP a b\\\n", "# HELP a b\n# HELP a b\n", "# TYPE a gauge\n# TYPE a gauge\n", "a 1\n# TYPE a gauge\n",
        "# TYPE a info\n", "# TYPE a gauge \n", "# TYPE a-b gauge\n", "# HELP 9 x\n", '# HELP "" x\n',
        '# HELP "a.b" x\n', '# HELP "a\\t" x\n', '# HELP "a x\n', '"a\\n" 1\n', "# TYPE a \ufb06\n",
        "# TYPE a hi\ufb06ogram\n",
        "# TYPE a histogram\na_count -1\n", '# TYPE a histogram\na_bucket{le="1"} -0.5\n',
        '# TYPE a histogram\na_bucket{le="x"} 1\n', '# TYPE a summary\na{quantile=""} 1\n',
        "# TYPE a summary\na_count -1\n",
        '# TYPE a summary\na{quantile="0x1p-3"} 1\n', "# TYPE a summary\na_count NaN\n", "\ufeffa 1\n",
    ],
)  # fmt: skip
def test_refused(data: str) -> None:
    """What the reference refuses is refused as a whole, and the message names file and line."""
    with pytest.raises(Malformed, match=r"x\.prom line [1-3]: expected "):
        parsed(data)


@pytest.mark.parametrize("data", [b'a{b="\xff"} 1\n', b"\xffa 1\n", b'a{b\xff="c"} 1\n', b'{"\xff"} 1\n', b"a 1\xa0\n"])
def test_what_is_not_utf8(data: bytes) -> None:
    """Names, values and numbers must be UTF-8."""
    with pytest.raises(Malformed):
        parsed(data)


def test_help_that_is_not_utf8() -> None:
    """A HELP text is shown with replacement characters."""
    assert parsed(b"# HELP a b\xff\xfe\r\na 1\n")["a"].help == "b\ufffd\r"


def test_what_belongs_to_a_histogram() -> None:
    """The TYPE line decides; a bucket is known by its label, the last value of a bucket holds; NaN bounds are none."""
    found = parsed(
        '# TYPE h histogram\nh_count 3\nh_bucket 9\nh{le="1"} 1\nh_bucket{le="1"} 2\nh_bucket{le="NaN"} 7\n'
        'h_bucket{le="1e0",x="y"} 4\nh_total 5\nh_sum{le="1"} 0.5\n'
    )
    assert list(found) == ["h", "h_total"]
    plain, labelled = found["h"].distributions
    assert (plain.parts, plain.count, plain.sum) == ({1.0: 2}, 3, 0.5)
    assert (labelled.parts, labelled.labels) == ({1.0: 4}, (("x", "y"),))


def test_what_came_before_its_type() -> None:
    """A family of the very name comes first: a sample before the TYPE line of a histogram stays one of its own."""
    found = parsed("h_count 1\n# TYPE h histogram\nh_count 2\nh_sum 3\n# TYPE s summary\ns_bucket 1\n_count 4\n")
    assert {name: len(family.samples) for name, family in found.items()} == {
        "h_count": 2,
        "h": 0,
        "s_bucket": 1,
        "_count": 1,
    }


def test_counts() -> None:
    """A histogram counts in any number that is not negative, a summary in whole ones."""
    found = parsed("# TYPE h histogram\nh_count 2.5\n# TYPE s summary\ns_count 2.7\n")
    assert found["h"].distributions[0].count == 2.5
    assert found["s"].distributions[0].count == 2


def test_families_without_samples() -> None:
    """A family that was only announced is none."""
    assert parsed("# HELP a b\n# TYPE a gauge\n\n") == {}
    assert parsed("") == {}


def test_too_many_samples() -> None:
    """A file with more samples than there may be is refused."""
    with pytest.raises(Malformed, match="at most"):
        parsed(b"a 1\n" * (MAX_SAMPLES + 1))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1), (b"+1.", 1), (b"-.5e+1", -5), (b"00012", 12), (b"1E-400", 0), (b"Inf", math.inf),
        (b"+inf", math.inf), (b"-INFINITY", -math.inf), (b"0e9999999999", 0), (b"9" * 308, float("9" * 308)),
        (b"9" * 400, None),
        (b"", None), (b" 1", None), (b"1\n", None), (b"+NaN", None), (b"1__0", None), (b"1e5e5", None), (b"0b1", None),
        (b"1f", None),
    ],
)  # fmt: skip
def test_numbers(raw: bytes, value: float | None) -> None:
    """Decimal numbers and infinities in any case; too large a number is none, too small a one is 0."""
    assert parse_float(raw) == value


def test_not_a_number() -> None:
    """NaN in any case, without a sign."""
    assert math.isnan(parse_float(b"nAn") or 0)


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_text(data, "x.prom"))


@given(
    st.lists(
        st.sampled_from([b"a", b'"', b"{", b"}", b",", b"=", b" ", b"\\", b"n", b"1", b"#", b"\n", b"\t"]), max_size=40
    )
)
def test_any_line(parts: list[bytes]) -> None:
    """Whatever is made of what lines are made of, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_text(b"".join(parts) + b"\n", "x.prom"))
