"""Every row of the tables of rules: below, at and beyond its threshold, alone and on a whole GPU."""

from __future__ import annotations

import string
from typing import Any

import pytest

from nodescope.health.gpu import COMPONENTS, READ
from nodescope.health.rule import CONDITIONS, RANKS, UNKNOWN, Rule, Rules, Unread, merged
from nodescope.health.rules import RULES, UNREAD
from nodescope.health.thresholds import TABLE, thresholds
from nodescope.health.thresholds import thresholds as all_thresholds
from nodescope.records.gpu_snapshot import GpuLink, GpuSource
from tests.health.gpus import SOURCE, Judge, ecc, gpu, links

VALUES = thresholds({})


def row_name(row: Rule | Unread) -> str:
    return f"{row.component}-{row.input}" + (f"-{row.state}" if isinstance(row, Rule) else "")


def number(threshold: float | str) -> float:
    return VALUES[threshold] if isinstance(threshold, str) else threshold


def holds(rule: Rule, value: Any) -> bool:
    """Whether the rule alone finds `value`, once it has lasted."""
    rules = Rules((rule,), (), VALUES)
    inputs = {rule.input: value}
    rules.findings("GPU-0", inputs.get, 0.0)
    return bool(rules.findings("GPU-0", inputs.get, number(rule.lasting)))


@pytest.mark.parametrize("rule", RULES, ids=row_name)
def test_a_rule_holds_from_its_threshold_on(rule: Rule) -> None:
    """A rule holds at its threshold, on one side of it, not on the other, and never where the input is unknown."""
    assert not holds(rule, None)
    if rule.condition == "is":
        assert holds(rule, rule.threshold)
        assert not holds(rule, "ok")
        return
    at = number(rule.threshold)
    expected = {
        ">=": (False, True, True),
        ">": (False, False, True),
        "<": (True, False, False),
        "<=": (True, True, False),
        "==": (False, True, False),
    }[rule.condition]
    assert tuple(holds(rule, value) for value in (at - 1, at, at + 1)) == expected


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.lasting], ids=row_name)
def test_what_has_to_last_has_to_last(rule: Rule) -> None:
    """A condition that has to last is found only after that time, and begins anew when it was interrupted."""
    rules = Rules((rule,), (), VALUES)
    lasting = number(rule.lasting)
    value = number(rule.threshold)
    for start in (0.0, 1000.0):
        assert rules.findings("GPU-0", {rule.input: value}.get, start) == []
        assert rules.findings("GPU-0", {rule.input: value}.get, start + lasting - 0.1) == []
        assert len(rules.findings("GPU-0", {rule.input: value}.get, start + lasting)) == 1
        assert rules.findings("GPU-1", {rule.input: value}.get, start + lasting) == []
        assert rules.findings("GPU-0", lambda name: None, start + lasting + 1) == []
        rules.forget(["GPU-0"])


@pytest.mark.parametrize("rule", RULES, ids=row_name)
def test_a_rule_is_of_use(rule: Rule) -> None:
    """A row names a component, a state and what is known; its sentences are plain ASCII without bar or full stop."""
    assert rule.component in COMPONENTS
    assert RANKS[rule.state] > RANKS["ok"]
    assert rule.condition in CONDITIONS
    for text in (rule.reason, rule.action):
        assert text
        assert text.isascii()
        assert "|" not in text
        assert not text.endswith(".")
        for _, name, form, _ in string.Formatter().parse(text):
            assert not form, "numbers are shown alike everywhere"
            assert name is None or name.isidentifier()


def test_thresholds_are_used_and_can_be_altered() -> None:
    """Every threshold is some rule's, or the judge's own; another one moves the rule; an unknown name is refused."""
    used = {value for rule in RULES for value in (rule.threshold, rule.lasting) if rule.condition != "is"}
    assert {row.name for row in TABLE} - used == {"pcie_busy_percent"}
    assert Judge(retired_pages=2).of("memory", gpu(retired_pages_corrected=2)).state == "warning"
    assert Judge().of("memory", gpu(retired_pages_corrected=2)).state == "ok"
    assert Judge(pcie_width_percent=50).of("pcie", gpu(pcie_width_lanes=8)).state == "ok"
    with pytest.raises(ValueError, match="threshold of health 'retired': expected one of"):
        all_thresholds({"retired": 1})


def fabric(shift: int, value: int) -> dict[str, int]:
    return {"fabric_health_mask": value << shift}


def source(state: str) -> GpuSource:
    return GpuSource(vendor="nvidia", kind="nvml", state=state, reason="driver and library differ")


# Component, what the GPU reads, the state, words of the reason.
READS: list[tuple[str, dict[str, Any], str, str]] = [
    ("device", {"recovery_action": 0}, "ok", ""),
    ("device", {"recovery_action": 1}, "critical", "for a reset of this GPU"),
    (
        "device",
        {"recovery_action": None, "driver_fields": {"reset_status": 1, "drain_and_reset_status": 1}},
        "critical",
        "for a reset of this GPU",
    ),
    (
        "device",
        {"recovery_action": None, "driver_fields": {"reset_status": 0, "drain_and_reset_status": 1}},
        "warning",
        "to drain this GPU",
    ),
    ("device", {"recovery_action": None, "driver_fields": {"drain_and_reset_status": 0}}, "ok", ""),
    ("device", {"recovery_action": 0, "driver_fields": {"drain_and_reset_status": 1}}, "ok", ""),
    ("device", {"recovery_action": 2}, "critical", "for a reboot of the node"),
    ("device", {"recovery_action": 3}, "warning", "peer-to-peer"),
    ("device", {"recovery_action": 4}, "warning", "to drain this GPU"),
    ("device", {"recovery_action": 5}, "warning", "IMEX"),
    ("device", {"recovery_action": 6}, "critical", "bus"),
    ("device", {"recovery_action": 7}, "critical", "for a reboot of the system"),
    ("device", {"recovery_action": 8}, "warning", "does not know"),
    ("device", {"state": "lost"}, "critical", "no longer answers"),
    ("device", {"state": "reset_required"}, "critical", "until it is reset"),
    ("device", {"state": "unresponsive"}, "critical", "does not return"),
    ("device", {"state": "failed"}, "critical", "cannot be read"),
    ("device", {"state": "denied"}, "unknown", "not allowed"),
    ("memory", {"remapped_rows_pending": 1}, "warning", "only when the GPU is reset"),
    ("memory", {"remapped_rows_failure": 1}, "critical", "could not be replaced"),
    ("memory", {"ecc_uncorrected_volatile_errors": 1}, "warning", "uncorrected ECC errors: 1"),
    ("memory", {"driver_fields": {"pending_bank_remapping": 1}}, "warning", "bad bank"),
    ("memory", {"memory_unrepairable": 1}, "critical", "cannot be repaired"),
    ("memory", {"memory_unrepairable": 0, "channel_repair_pending": 0, "tpc_repair_pending": 0}, "ok", ""),
    ("memory", {"channel_repair_pending": 1}, "warning", "bad channel"),
    ("device", {"tpc_repair_pending": 1}, "warning", "TPC"),
    ("memory", {"retired_pages_pending": 1}, "warning", "retired only when"),
    ("memory", {"retired_pages_corrected": 30, "retired_pages_uncorrected": 29}, "ok", ""),
    ("memory", {"retired_pages_corrected": 30, "retired_pages_uncorrected": 30}, "warning", "60 pages"),
    ("memory", {"remap_banks_none": 2}, "warning", "without a spare row: 2"),
    ("memory", {"remap_banks_low": 1}, "warning", "hardly a spare row: 1"),
    ("memory", {"mig_mode": 1, "remapped_rows_pending": None}, "unknown", "(MIG)"),
    ("memory", {"mig_mode": 0, "remapped_rows_pending": None}, "ok", ""),
    ("memory", {"ecc_uncorrected_volatile_errors": None}, "unknown", "ECC is on"),
    ("memory", {"ecc_uncorrected_volatile_errors": None, "ecc_mode": 0}, "ok", ""),
    ("pcie", {"pcie_width_lanes": 15}, "warning", "only 15 of 16"),
    ("pcie", {"pcie_width_lanes": 8}, "warning", "only 8 of 16"),
    ("pcie", {"pcie_width_lanes": 4}, "critical", "only 4 of 16"),
    ("pcie", {"pcie_width_lanes": None}, "unknown", "width"),
    ("pcie", {"pcie_generation": 1, "utilization_percent": 49}, "ok", ""),
    ("nvlink", {"fabric_state": 1}, "warning", "still joining"),
    ("nvlink", {"fabric_state": 2}, "warning", "still joining"),
    ("nvlink", {"fabric_state": 0}, "ok", ""),
    ("nvlink", {"fabric_state": 1, "mig_mode": 1}, "ok", ""),
    ("nvlink", {"fabric_status": 999}, "critical", "NVML error 999"),
    ("nvlink", fabric(0, 1), "warning", "bandwidth"),
    ("nvlink", fabric(0, 2), "ok", ""),
    ("nvlink", fabric(2, 1), "warning", "route"),
    ("nvlink", fabric(4, 1), "critical", "does not work"),
    ("nvlink", fabric(6, 1), "warning", "timed out"),
    ("nvlink", fabric(8, 1), "ok", ""),
    ("nvlink", fabric(8, 2), "critical", "configured wrongly (NVML code 2)"),
    ("thermal", {"temperature_celsius": 85}, "ok", ""),
    ("thermal", {"temperature_celsius": 86}, "warning", "close to slowing"),
    ("thermal", {"temperature_celsius": 88}, "warning", "close to slowing"),
    ("thermal", {"temperature_celsius": 89}, "critical", "slows itself down"),
    ("thermal", {"temperature_celsius": 91}, "critical", "about to switch itself off"),
    ("thermal", {"temperature_slowdown_celsius": -2, "temperature_shutdown_celsius": -8}, "ok", ""),
    ("thermal", {"temperature_margin_celsius": 1}, "ok", ""),
    ("thermal", {"temperature_margin_celsius": 0}, "warning", "hotter than it should"),
    ("thermal", {"temperature_margin_celsius": -5}, "warning", "hotter than it should"),
    ("thermal", {"memory_temperature_celsius": 94}, "ok", ""),
    ("thermal", {"memory_temperature_celsius": 95}, "warning", "memory is hotter"),
    ("thermal", {"memory_temperature_max_operating_celsius": 0}, "ok", ""),
    ("thermal", {"throttle_reasons": 0x40}, "warning", "halve its clocks"),
    ("thermal", {"throttle_reasons": 0x20}, "ok", ""),
    ("thermal", {"temperature_celsius": None}, "unknown", "temperature"),
    ("power", {"throttle_reasons": 0x80}, "warning", "power brake"),
    ("power", {"throttle_reasons": 0x4}, "ok", ""),
    ("power", {"power_milliwatts": None}, "unknown", "power"),
    ("clocks", {"throttle_reasons": 0x1 | 0x2 | 0x4 | 0x10 | 0x100}, "ok", ""),
    ("clocks", {"throttle_reasons": None}, "unknown", "clocks"),
    ("inforom", {}, "ok", ""),
    ("xid", {}, "ok", ""),
]


@pytest.mark.parametrize(("component", "reads", "state", "words"), READS)
def test_what_a_gpu_reads(component: str, reads: dict[str, Any], state: str, words: str) -> None:
    """One thing that is wrong with a GPU gives its component the state, with reason and action, and no other one."""
    verdicts = Judge().verdicts(gpu(**reads), links=links())
    found = verdicts["GPU-0", component]
    assert (found.state, found.reason) == (state, found.reason if words in found.reason else words)
    assert bool(found.reason) == bool(found.action) == (state != "ok")
    assert bool(found.evidence) == (state in ("warning", "critical") or "state" in reads)
    assert "?" not in found.reason + found.evidence + found.action
    others = {one.component for one in verdicts.values() if one.state != "ok"} - {component, "all"}
    # Nothing is known of the rest of a GPU that does not answer.
    assert others == (set(READ) if "state" in reads else set())
    whole, unjudged = verdicts["GPU-0", "all"], state == "unknown" and component != "device"
    assert whole.state == ("ok" if unjudged else state)
    told = f"not judged: {component}" if unjudged else found.evidence
    assert whole.evidence == (f"{told}; not judged: {' '.join(READ)}" if "state" in reads else told)


LASTING = [
    ("pcie", {"pcie_generation": 3, "utilization_percent": 50}, 30, "ok", "warning", "generation 3 of 5"),
    ("nvlink", {"fabric_state": 2}, 60, "warning", "critical", "CUDA cannot start"),
    ("thermal", {"throttle_reasons": 0x40}, 60, "warning", "critical", "a minute or more"),
    ("thermal", {"throttle_reasons": 0x20}, 60, "ok", "warning", "because of heat"),
    ("power", {"throttle_reasons": 0x80}, 60, "warning", "critical", "a minute or more"),
    ("clocks", {"throttle_reasons": 0x8}, 60, "ok", "warning", "neither heat nor power brake"),
    ("clocks", {"throttle_reasons": 0x8 | 0x40}, 60, "ok", "ok", ""),
]


@pytest.mark.parametrize(("component", "reads", "seconds", "before", "after", "words"), LASTING)
def test_what_lasts(component: str, reads: dict[str, Any], seconds: int, before: str, after: str, words: str) -> None:
    """What has to last gives its state when it has lasted, and what is said is then one thing."""
    judge = Judge()
    assert judge.of(component, gpu(**reads), links=links()).state == before
    assert judge.after(seconds - 1).of(component, gpu(**reads), links=links()).state == before
    found = judge.after(1).of(component, gpu(**reads), links=links())
    assert (found.state, words in found.reason) == (after, True)
    assert ";" not in found.reason.replace("; CUDA", "")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("failed", "critical"), ("abandoned", "critical"), ("paused", "unknown"), ("starting", "unknown"), ("ok", "ok")],
)
def test_the_source_of_the_readings(state: str, expected: str) -> None:
    """Where the driver cannot be read all GPUs have it; where that is wanted or not known yet, they are unknown."""
    found = Judge().verdicts(gpu(0), gpu(1), source=source(state))
    for uuid in ("GPU-0", "GPU-1"):
        assert found[uuid, "driver"].state == found[uuid, "all"].state == expected
    assert ("driver and library differ" in found["GPU-0", "driver"].evidence) == (state != "ok")


def test_hung_calls_of_the_last_hour() -> None:
    """A hung call is a warning for an hour; those before the first look are not known to be recent."""
    judge = Judge()

    def state(hung_calls: int) -> str:
        return judge.of(
            "driver", gpu(), source=GpuSource(vendor="nvidia", kind="nvml", state="ok", hung_calls=hung_calls)
        ).state

    assert state(5) == "ok"
    judge.after(10)
    assert state(6) == "warning"
    judge.after(3600)
    assert state(6) == "warning"
    judge.after(61)
    assert state(6) == "ok"
    assert judge.of("driver", gpu(), source=None).state == "ok"


def test_errors_by_place_stand_in_for_a_total() -> None:
    """Where the driver has no total its places are summed, and the evidence names them."""
    found = Judge().of("memory", gpu(ecc_uncorrected_volatile_errors=None), eccs=[ecc(errors=2), ecc(location="sram")])
    assert (found.state, "errors: 3" in found.reason) == ("warning", True)
    assert "ecc_uncorrected_locations=dram:2 sram:1" in found.evidence


def down(*numbers: int) -> list[GpuLink]:
    return links(down=numbers)


def test_links_that_are_down() -> None:
    """Links are missed that the fabric, most siblings or the past had; none on a partitioned GPU or one without any."""
    assert Judge().of("nvlink", gpu(), links=down(3, 7)).reason == "NVLinks are down, 2 of 18: links 3 7"
    assert Judge().of("nvlink", gpu(), links=down(*range(18))).state == "critical"
    alone = gpu(fabric_state=None)
    assert Judge().of("nvlink", alone, links=down(3)).state == "ok"
    assert Judge().of("nvlink", alone, links=down(*range(18))).state == "ok"
    judge = Judge()
    assert judge.of("nvlink", alone, links=links()).state == "ok"
    before = judge.of("nvlink", alone, links=down(3))
    assert (before.state, "nvlinks_expected_by=before" in before.evidence) == ("warning", True)
    siblings = [gpu(number, fabric_state=None) for number in range(3)]
    others = [*links(1), *links(2)]
    by = Judge().of("nvlink", *siblings, links=[*down(5), *others])
    assert (by.reason, "by=siblings" in by.evidence) == ("NVLinks are down, 1 of 18: link 5", True)
    assert Judge().of("nvlink", *siblings, links=[*links(0, range(4, 18)), *links(1, range(4, 18))]).state == "ok"
    assert Judge().of("nvlink", gpu(mig_mode=1), links=down(*range(18))).state == "ok"
    assert ("GPU-0", "nvlink") not in Judge().verdicts(gpu(fabric_state=0))


def test_several_things_at_once() -> None:
    """The worst says what to do, the reasons stand side by side, and more than three are counted."""
    found = Judge().of(
        "memory", gpu(remapped_rows_pending=1, remapped_rows_failure=1, ecc_uncorrected_volatile_errors=1)
    )
    assert found.state == "critical"
    assert found.reason.startswith("a bad row of memory could not be replaced")
    assert found.reason.count("; ") == 3
    assert found.action == "take the GPU out of service and have it replaced"
    four: dict[str, Any] = {"remap_banks_low": 1, "remap_banks_none": 1}
    many = Judge().of("memory", gpu(remapped_rows_pending=1, retired_pages_pending=1, **four))
    assert many.reason.endswith("; and 1 more")
    assert merged([]) == ("ok", "", "", "")


def test_of_one_topic_the_worst_is_told() -> None:
    """Of several rules on one thing the reason has one sentence; what could not be read stands back behind a fault."""
    hot = Judge().of("thermal", gpu(temperature_celsius=92, temperature_margin_celsius=-4))
    assert hot.reason == "at 92 C the GPU is about to switch itself off, which it does at 94 C"
    narrow = Judge().of("pcie", gpu(pcie_width_lanes=4))
    assert narrow.reason == "only 4 of 16 PCIe lanes are in use"
    mig = Judge().of("memory", gpu(mig_mode=1, remapped_rows_pending=None, ecc_uncorrected_volatile_errors=1))
    assert mig.reason == "memory lost data since the driver was loaded; uncorrected ECC errors: 1"


def test_unread_rows_are_of_components() -> None:
    """Rows on what could not be read name a component and the reason; nothing else is unknown on a whole reading."""
    assert all(row.component in COMPONENTS and row.reason and row.action for row in UNREAD)
    assert all(verdict.state != UNKNOWN for verdict in Judge().verdicts(gpu(), links=links(), source=SOURCE).values())
