"""What XIDs say of a GPU's health."""

from __future__ import annotations

import time

import pytest

from nodescope.devices.nvidia.xid.catalog import CATALOG
from nodescope.health.gpu import COMPONENTS as ALL_COMPONENTS
from nodescope.health.gpu import GpuHealthRules
from nodescope.health.xids import COMPONENTS, NEVER_ALONE, STATES, xid_findings
from tests.health.gpus import BOOTED, EPOCH, Judge, gpu, unread, xid

DAY = 86400.0


@pytest.mark.parametrize(
    ("number", "xid_class", "severity", "component", "state", "words"),
    [
        (79, "pcie", "critical", "pcie", "critical", "fell off the bus"),
        (48, "memory", "critical", "memory", "critical", "uncorrectable"),
        (94, "memory", "error", "memory", "warning", "contained to one app"),
        (63, "memory", "info", "memory", "ok", ""),
        (74, "nvlink", "critical", "nvlink", "critical", "NVLink error"),
        (149, "nvlink5", "subcode", "nvlink", "warning", "NVLink 5"),
        (149, "nvlink5", "critical", "nvlink", "critical", "NVLink 5"),
        (54, "power", "critical", "power", "critical", "power connector"),
        (119, "gsp", "critical", "driver", "critical", "GSP"),
        (62, "microcontroller", "critical", "device", "critical", "halted"),
        (125, "inforom", "error", "inforom", "warning", "InfoROM"),
        (31, "app", "warning", "xid", "warning", "the program's fault"),
        (13, "app", "warning", "xid", "warning", "the program's fault"),
        (17, "unused", "unknown", "xid", "warning", "not documented"),
        (999, "unknown", "unknown", "xid", "warning", "not in the catalogue"),
        (43, "app", "info", "xid", "ok", ""),
        (45, "app_sequel", "info", "xid", "ok", ""),
        (154, "recovery", "info", "xid", "ok", ""),
        (154, "recovery", "critical", "xid", "ok", ""),
    ],
)
def test_an_xid(number: int, xid_class: str, severity: str, component: str, state: str, words: str) -> None:
    """An XID gives its class' component and "xid" the state of its severity; those that follow others say nothing."""
    verdicts = Judge().verdicts(gpu(), xids=[xid(number, xid_class, severity)])
    assert verdicts["GPU-0", "xid"].state == state
    if state == "ok":
        assert {one.state for one in verdicts.values()} == {"ok"}
        return
    found = verdicts["GPU-0", component]
    assert (found.state, found.reason) == (state, found.reason if words in found.reason else words)
    assert found.reason.startswith(f"XID {number}, ")
    assert found.evidence == f"xid={number} count=2 last_seen=2025-06-15T15:06:40Z"
    assert found.action
    assert verdicts["GPU-0", "all"].state == state


def test_a_clock_that_is_set_back() -> None:
    """An XID counts that is seen after a clock was set right that was ahead when the agent was started."""
    ahead = time.clock_gettime(time.CLOCK_BOOTTIME) + DAY
    wall = [EPOCH + ahead]
    rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: wall[0])
    wall[0] = EPOCH
    found = rules.examined([gpu()], (), (), [xid(48, "memory", "critical", EPOCH)], None)
    assert {one.state for one in found if one.component == "xid"} == {"critical"}


def test_a_clock_that_is_set_back_after_a_reset() -> None:
    """An XID counts that is seen after a GPU was reset while the clock was ahead, and the clock was then set right."""
    wall = [EPOCH + DAY]
    rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: wall[0], booted_seconds=BOOTED)
    for state in ("lost", "ok"):
        rules.examined([gpu(state=state)], (), (), (), None)
    wall[0] = EPOCH
    rules.examined([gpu()], (), (), (), None)
    wall[0] = EPOCH + 60.0
    found = rules.examined([gpu()], (), (), [xid(48, "memory", "critical", EPOCH + 30.0)], None)
    assert {one.state for one in found if one.component == "xid"} == {"critical"}


def test_a_clock_that_is_set_forward() -> None:
    """XIDs of this boot count on by the new clock, and those of before a reset stay forgotten."""
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    wall = [since_boot + 10.0]
    rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: wall[0])
    for state in ("ok", "lost", "ok"):
        rules.examined([gpu(state=state)], (), (), (), None)
        wall[0] += 1.0
    reset = wall[0] - 2.0
    wall[0] += EPOCH
    for at, expected in ((reset - 5.0 + EPOCH, "ok"), (reset + 1.0 + EPOCH, "critical")):
        found = rules.examined([gpu()], (), (), [xid(48, "memory", "critical", at)], None)
        assert {one.state for one in found if one.component == "xid"} == {expected}


def test_a_clock_that_is_set_forward_with_a_reset() -> None:
    """A reset that is seen just after the clock was set forward is told, and ends XIDs, by the new clock."""
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    wall = [since_boot + 10.0]
    told: list[float] = []
    rules = GpuHealthRules(
        clock=lambda: 1000.0, wall_clock=lambda: wall[0], on_reset=lambda uuid, seconds: told.append(seconds)
    )
    for state in ("ok", "lost"):
        rules.examined([gpu(state=state)], (), (), (), None)
    wall[0] += EPOCH
    old = [xid(48, "memory", "critical", since_boot + EPOCH + 5.0)]
    found = rules.examined([gpu()], (), (), old, None)
    assert {one.state for one in found if one.component == "xid"} == {"ok"}
    assert told == [pytest.approx(since_boot + EPOCH + 10.0, abs=1.0)]


def test_a_clock_that_is_set_back_keeps_what_was_before_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reset ended stays ended, and what came after it counts, where the clock is set back to before both."""
    wall, booted = [EPOCH], [BOOTED]
    monkeypatch.setattr("nodescope.health.gpu._booted", lambda _: booted[0])
    for at, expected in ((-5.0, "ok"), (5.0, "critical")):
        wall[0], booted[0] = EPOCH, BOOTED
        rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: wall[0])
        for state in ("ok", "lost", "ok"):
            rules.examined([gpu(state=state)], (), (), (), None)
        wall[0], booted[0] = EPOCH + 100.0 - 600.0, BOOTED - 600.0
        found = rules.examined([gpu()], (), (), [xid(48, "memory", "critical", EPOCH - 600.0 + at)], None)
        assert {one.state for one in found if one.component == "xid"} == {expected}


def test_how_long_an_xid_counts() -> None:
    """An hour; one that is critical a day; none from before the node was started."""
    for severity, seconds in (("warning", 3600.0), ("error", 3600.0), ("critical", DAY)):
        judge = Judge()
        assert judge.of("xid", gpu(), xids=[xid(48, "memory", severity, EPOCH - seconds)]).state != "ok"
        judge = Judge()
        assert judge.of("xid", gpu(), xids=[xid(48, "memory", severity, EPOCH - seconds - 1)]).state == "ok"
    before = BOOTED - 1.0
    assert xid_findings([xid(79, "pcie", "critical", before)], "GPU-0", BOOTED + 60, BOOTED) == []


def test_one_that_the_kernel_log_called_fatal() -> None:
    """It is critical for a day, though a later one of its number is not fatal; then its number is as any other."""
    for fatal, last, state in (
        (EPOCH, EPOCH, "critical"),
        (EPOCH - DAY, EPOCH, "critical"),
        (EPOCH - DAY - 1, EPOCH, "warning"),
        (EPOCH - DAY - 1, EPOCH - 3601, "ok"),
        (None, EPOCH, "warning"),
    ):
        told = xid(149, "nvlink5", "subcode", last, fatal_seen_seconds=fatal)
        assert Judge().of("xid", gpu(), xids=[told]).state == state
    told = xid(149, "nvlink5", "subcode", BOOTED - 1.0, fatal_seen_seconds=BOOTED - 1.0)
    assert xid_findings([told], "GPU-0", BOOTED + 60, BOOTED) == []


def test_xids_that_may_be_missing() -> None:
    """Where the kernel log cannot be read no XID is no proof of health, and one that is known still counts."""
    problem = ["the kernel log cannot be read: /dev/kmsg: Operation not permitted"]
    rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: EPOCH, xids_problem=lambda: problem[0])
    found = {one.component: one for one in rules.examined([gpu()], (), (), (), None)}
    assert (found["xid"].state, found["xid"].evidence) == ("unknown", problem[0])
    assert "root" in found["xid"].action
    assert (found["all"].state, found["all"].evidence) == ("ok", "not judged: xid")
    found = {one.component: one for one in rules.examined([gpu()], (), (), [xid(31, "app", "warning")], None)}
    assert found["xid"].state == "warning"
    problem[0] = ""
    rules = GpuHealthRules(clock=lambda: 1000.0, wall_clock=lambda: EPOCH, xids_problem=lambda: problem[0])
    assert {one.state for one in rules.examined([gpu()], (), (), (), None)} == {"ok"}


def test_a_reset_ends_it() -> None:
    """Once the GPU was lost or due for a reset and is well again, or its energy began anew, older XIDs are history."""
    old = [xid(79, "pcie", "critical", EPOCH)]
    judge = Judge()
    assert judge.of("pcie", gpu(), xids=old).state == "critical"
    judge.after(30).verdicts(unread(state="lost"), xids=old)
    judge.after(30).verdicts(gpu(), xids=old)
    assert judge.after(61).of("pcie", gpu(), xids=old).state == "ok"
    judge = Judge()
    judge.verdicts(gpu(energy_millijoules=10**9), xids=old)
    judge.after(5).verdicts(gpu(energy_millijoules=10**9 + 5), xids=old)
    judge.after(5).verdicts(gpu(energy_millijoules=7), xids=old)
    judge.after(5).verdicts(gpu(energy_millijoules=8), xids=old)
    assert judge.after(61).of("pcie", gpu(energy_millijoules=9), xids=old).state == "ok"
    during = [xid(79, "pcie", "critical", EPOCH + 7)]
    assert judge.of("pcie", gpu(energy_millijoules=9), xids=during).state == "critical"


def test_a_reset_in_a_pause_ends_it() -> None:
    """A GPU that was lost or due for a reset before a pause and is well after it was reset; what came in the pause, in
    which nobody looked, still counts. So it is where its energy tells of the reset."""
    for before, after, energy in (("reset_required", "ok", None), ("ok", "ok", 10**9)):
        old = [xid(95, "memory", "critical", EPOCH - 1.0)]
        judge = Judge()
        judge.verdicts(gpu(state=before, energy_millijoules=energy), xids=old)
        for state in ("paused", "starting"):
            judge.after(600).verdicts(unread(state=state), xids=old)
        for _ in range(2):
            judge.after(5).verdicts(gpu(state=after, energy_millijoules=energy and 7), xids=old)
        assert judge.after(61).of("memory", gpu(energy_millijoules=energy and 8), xids=old).state == "ok"
        during = [xid(79, "pcie", "critical", EPOCH + 500)]
        assert judge.of("pcie", gpu(energy_millijoules=energy and 9), xids=during).state == "critical"


def test_a_reset_that_an_agent_before_saw_ends_it() -> None:
    """XIDs from before the reset that is kept with them are history from the start on; a later one is not."""
    kept = [xid(79, "pcie", "critical", EPOCH - 60.0, gpu_reset_seconds=EPOCH - 30.0)]
    assert Judge().of("pcie", gpu(), xids=kept).state == "ok"
    later = [xid(79, "pcie", "critical", EPOCH - 10.0, gpu_reset_seconds=EPOCH - 30.0)]
    assert Judge().of("pcie", gpu(), xids=later).state == "critical"


def test_a_reset_is_told() -> None:
    """That a GPU was reset is told once, with the time of the last look before."""
    told: list[tuple[str, float]] = []
    rules = GpuHealthRules(
        clock=lambda: 1000.0,
        wall_clock=lambda: EPOCH,
        booted_seconds=BOOTED,
        on_reset=lambda uuid, seconds: told.append((uuid, seconds)),
    )
    for one in (gpu(), unread(state="lost"), gpu(), gpu()):
        rules.examined([one], (), (), (), None)
    assert told == [(gpu().identity.uuid, EPOCH)]


def test_one_slip_of_the_energy_counter_is_no_reset() -> None:
    """A single lower energy, as a driver may give once, forgets no XID."""
    old = [xid(79, "pcie", "critical", EPOCH)]
    judge = Judge()
    for energy in (10**9, 0, 10**9 + 1, 0, 10**9 + 2, None):
        found = judge.after(70).of("pcie", gpu(energy_millijoules=energy), xids=old)
        assert found.state == "critical"


def test_xids_of_a_gpu_that_cannot_be_read() -> None:
    """They count where nothing else does, and only for their own GPU; a strange time is shown as it is."""
    judge = Judge()
    found = judge.verdicts(unread(state="lost"), gpu(1), xids=[xid(79, "pcie", "critical", 1e300)])
    assert found["GPU-0", "pcie"].state == "critical"
    assert "last_seen=1e+300" in found["GPU-0", "pcie"].evidence
    assert found["GPU-1", "pcie"].state == "ok"


def test_the_whole_catalogue_can_be_told() -> None:
    """Each XID of the catalogue gives a sentence and an action in ASCII, with known components and states."""
    assert {43, 45, 154} == NEVER_ALONE
    assert set(COMPONENTS.values()) < set(ALL_COMPONENTS)
    for number, known in CATALOG.items():
        findings = xid_findings([xid(number, known.xid_class, known.severity)], "GPU-0", EPOCH, 0.0)
        assert bool(findings) == (known.severity in STATES and number not in NEVER_ALONE)
        for finding in findings:
            assert finding.component in ALL_COMPONENTS
            assert finding.action
            assert (finding.reason + finding.action).isascii()
            assert not set("{|") & set(finding.reason + finding.action)
