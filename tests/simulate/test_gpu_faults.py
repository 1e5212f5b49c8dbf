"""The setting that says what goes wrong with GPUs."""

from __future__ import annotations

import re
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.simulate.faults import KINDS, MAX_FAULTS, MAX_TEXT, Fault, parse_faults, shifted

GPUS = 8
WORDS = st.sampled_from(
    [*KINDS, "xid79", "nvlink5", "gpu1", "gpu9", "@", "@600", "+", ":", ",", " ", "1.5", "-1", "\n"]
)


def test_faults() -> None:
    """What the setting names comes in the order of time, with its GPU, its number, and its end where it has one."""
    text = "xid79@600:gpu3, ecc@900:gpu1,hang@1200+30.5:gpu2,nvlink17@0:gpu7,driver@100+20,lost@5:gpu0,"
    assert parse_faults(text, GPUS) == (
        Fault("nvlink", 0.0, inf, 7, 17),
        Fault("lost", 5.0, inf, 0),
        Fault("driver", 100.0, 120.0),
        Fault("xid", 600.0, 600.0, 3, 79),
        Fault("ecc", 900.0, 900.0, 1),
        Fault("hang", 1200.0, 1230.5, 2),
    )


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_none(text: str) -> None:
    """Nothing, or nothing between commas, is no fault."""
    assert parse_faults(text, GPUS) == ()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind(kind: str) -> None:
    """Each kind can be asked for; a state ends if it is told to, and what happens at one moment has no duration."""
    number = "" if KINDS[kind].least is None else str(KINDS[kind].most)
    gpu = ":gpu1" if KINDS[kind].of_gpu else ""
    (fault,) = parse_faults(f"{kind}{number}@1{gpu}", GPUS)
    assert fault.what == kind
    if KINDS[kind].lasts:
        assert parse_faults(f"{kind}{number}@1+2{gpu}", GPUS)[0].end == 3.0
    else:
        with pytest.raises(ValueError, match="expected no duration"):
            parse_faults(f"{kind}{number}@1+2{gpu}", GPUS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hang", "expected WHAT@SECONDS:gpuN, such as xid79@600:gpu3"),
        ("hang@-5:gpu1", "expected WHAT@SECONDS:gpuN"),
        ("hang@1e9:gpu1", "expected WHAT@SECONDS:gpuN"),
        ("hang@inf:gpu1", "expected WHAT@SECONDS:gpuN"),
        ("burn@5:gpu1", f"expected one of {', '.join(KINDS)} before the @"),
        ("hang@5", "expected :gpu0 to :gpu7 at its end"),
        ("hang@5:gpu8", "expected :gpu0 to :gpu7 at its end"),
        ("hang3@5:gpu1", "expected no number behind hang"),
        ("xid@5:gpu1", "expected xid1 to xid999"),
        ("xid0@5:gpu1", "expected xid1 to xid999"),
        ("xid1000@5:gpu1", "expected xid1 to xid999"),
        ("nvlink18@5:gpu1", "expected nvlink0 to nvlink17"),
        ("driver@5:gpu1", "expected no GPU, for all of them are without their driver"),
    ],
)
def test_errors(text: str, expected: str) -> None:
    """What is wrong is named, with what was expected in its place; what is right beside it is not."""
    with pytest.raises(ValueError, match=re.escape(f"simulate.faults: {text!r}: {expected}")):
        parse_faults(f"ecc@1:gpu0,{text}", GPUS)


def test_bounds() -> None:
    """No more than so many faults, and no longer text, are read; a long one is quoted in part."""
    with pytest.raises(ValueError, match=f"at most {MAX_FAULTS} faults, got {MAX_FAULTS + 1}"):
        parse_faults("ecc@1:gpu0," * (MAX_FAULTS + 1), GPUS)
    with pytest.raises(ValueError, match=f"at most {MAX_TEXT} characters"):
        parse_faults("x" * (MAX_TEXT + 1), GPUS)
    with pytest.raises(ValueError, match=r"'x{80}': expected"):
        parse_faults("x" * 1000, GPUS)


@given(text=st.text(max_size=60) | st.lists(WORDS, max_size=12).map("".join))
def test_fuzz(text: str) -> None:
    """Whatever the text, there are faults on GPUs that exist, in order of time, or one sentence that says why not."""
    try:
        faults = parse_faults(text, GPUS)
    except ValueError as error:
        sentence = str(error)
    else:
        assert_possible(faults)
        return
    assert sentence.startswith("simulate.faults: ")
    assert len(sentence) < 1000


def assert_possible(faults: tuple[Fault, ...]) -> None:
    assert list(faults) == sorted(faults, key=lambda fault: fault.start)
    for fault in faults:
        assert 0 <= fault.start <= fault.end
        assert (fault.gpu is not None) == KINDS[fault.what].of_gpu
        assert fault.gpu is None or 0 <= fault.gpu < GPUS


def test_holds() -> None:
    """A state holds from its start until just before its end."""
    (fault,) = shifted(parse_faults("lost@10+5:gpu0", GPUS), 100.0)
    assert [fault.holds(seconds) for seconds in (109.9, 110.0, 114.9, 115.0)] == [False, True, True, False]
