"""Verdicts on memory modules."""

from __future__ import annotations

from typing import Any

from nodescope.records.memory import MemoryModule
from tests.health.link_records import Judge

NAME = "mc0/dimm3"


def module(correctable: int | None = 0, uncorrectable: int | None = 0, name: str = "dimm3") -> MemoryModule:
    known: dict[str, Any] = {"label": "P1-DIMMA1", "location": "channel 1 slot 0"} if name == "dimm3" else {}
    return MemoryModule(
        controller="mc0", module=name, correctable_errors=correctable, uncorrectable_errors=uncorrectable, **known
    )


def test_all_is_well() -> None:
    """A module without new errors is well, however many were corrected before the first look."""
    judge = Judge()
    assert judge.of("memory", NAME, module(5000)).state == "ok"
    assert judge.after(15).of("memory", NAME, module(5009)).state == "ok"


def test_what_could_not_be_corrected() -> None:
    """An error that could not be corrected is critical for an hour and then a warning; the module is named."""
    judge = Judge()
    assert judge.of("memory", NAME, module()).state == "ok"
    found = judge.after(15).of("memory", NAME, module(0, 1))
    assert (found.state, found.value) == ("critical", 2)
    assert found.reason == "memory errors within the last hour that could not be corrected: 1"
    assert "P1-DIMMA1 at channel 1 slot 0" in found.action
    assert "uncorrectable_errors=1" in found.evidence
    found = judge.after(3700).of("memory", NAME, module(0, 1))
    assert (found.state, found.reason) == (
        "warning", "memory errors since the node was booted that could not be corrected: 1",
    )  # fmt: skip


def test_what_was_there_before() -> None:
    """An error that could not be corrected before the first look is a warning."""
    assert Judge().of("memory", NAME, module(0, 2)).state == "warning"


def test_many_that_were_corrected() -> None:
    """Ten corrected errors within an hour are a warning, and nine are none; an hour later all is well again."""
    judge = Judge()
    judge.of("memory", NAME, module(100))
    assert judge.after(15).of("memory", NAME, module(109)).state == "ok"
    found = judge.after(15).of("memory", NAME, module(110))
    assert (found.state, found.reason) == ("warning", "corrected memory errors within the last hour: 10")
    assert judge.after(3700).of("memory", NAME, module(110)).state == "ok"


def test_counters_that_begin_again() -> None:
    """Counters that were reset are no errors."""
    judge = Judge()
    judge.of("memory", NAME, module(100, 3))
    assert judge.after(15).of("memory", NAME, module(0, 0)).state == "warning"
    assert judge.after(61).of("memory", NAME, module(0, 0)).state == "ok"


def test_an_unknown_place() -> None:
    """What the controller could not place says so."""
    found = Judge().of("memory", "mc0/unknown", module(0, 1, "unknown"))
    assert "which one is not known" in found.action


def test_nothing_counted() -> None:
    """A module without counters has no verdict; one that has one of both is judged by that."""
    assert Judge().verdicts(module(None, None)) == {}
    assert Judge().of("memory", NAME, module(None, 1)).state == "warning"
