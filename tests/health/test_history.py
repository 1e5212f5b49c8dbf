"""Early signs: what a day of a GPU's readings says."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nodescope.health.history import CAPACITY, SLACK, History
from nodescope.health.trend import Point, grown_by, growth, is_outlier, median, slope
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import GpuHealth
from tests.health.gpus import Judge, gpu, links

BUSY: dict[str, Any] = {"utilization_percent": 98, "memory_utilization_percent": 40}
Reads = Callable[[int], dict[str, Any]]


def minutes(judge: Judge, count: int, reads: Reads, component: str, vendor: str = "nvidia") -> GpuHealth:
    """Judges a GPU once a minute; `reads`: what differs, by minute ("link": of a link). The last verdict."""
    found = None
    for minute in range(count):
        differs = dict(reads(minute))
        counters = differs.pop("link", {})
        read = gpu(**differs)
        read = replace(read, identity=replace(read.identity, vendor=vendor))
        verdicts = judge.verdicts(read, links=links(**counters))
        found = verdicts["GPU-0", component]
        judge.after(60)
    assert found is not None
    return found


def test_corrected_errors_that_keep_coming() -> None:
    """Corrected errors at 20 in an hour and more, for half an hour and still, are a warning; fewer, or a burst that is
    over, are none; a counter that begins again does not count twice."""
    steady = minutes(Judge(), 120, lambda minute: {"ecc_corrected_aggregate_errors": 1000 + minute // 2}, "memory")
    assert (steady.state, "30 an hour" in steady.reason) == ("warning", True)
    slow = minutes(Judge(), 120, lambda minute: {"ecc_corrected_aggregate_errors": minute // 4}, "memory")
    assert slow.state == "ok"
    early = minutes(Judge(), 20, lambda minute: {"ecc_corrected_aggregate_errors": minute}, "memory")
    assert early.state == "ok"
    burst = minutes(Judge(), 200, lambda minute: {"ecc_corrected_aggregate_errors": min(minute, 100) * 5}, "memory")
    assert burst.state == "ok"
    anew = minutes(
        Judge(), 120, lambda minute: {"ecc_corrected_aggregate_errors": 0 if minute > 60 else 10**6}, "memory"
    )
    assert anew.state == "ok"
    volatile = {"ecc_corrected_aggregate_errors": None, "ecc_uncorrected_aggregate_errors": None}
    of_driver = minutes(Judge(), 90, lambda minute: {**volatile, "ecc_corrected_volatile_errors": minute}, "memory")
    assert of_driver.state == "warning"


def test_a_link_that_comes_back_has_no_new_errors() -> None:
    """Errors that a link had before it was down, as with MIG on, are none of the last hour; those after it are."""
    judge = Judge()
    up: dict[str, Any] = {"replay_errors": 100, "crc_flit_errors": 5000, "recovery_errors": 2}
    for minute in range(20):
        down = 5 < minute < 10
        counters = links(down=[3]) if down else links(**up)
        found = judge.verdicts(gpu(), links=counters)["GPU-0", "nvlink"]
        judge.after(60)
    assert (found.state, found.reason) == ("ok", "")
    judge.verdicts(gpu(), links=links(**{**up, "recovery_errors": 3}))
    found = judge.after(60).verdicts(gpu(), links=links(**{**up, "recovery_errors": 3}))["GPU-0", "nvlink"]
    assert (found.state, "recoveries: 1" in found.reason) == ("warning", True)


def test_an_uncorrected_error_is_told_at_once() -> None:
    """New uncorrected errors are critical at the next look and for an hour, then they are those since the driver."""
    judge = Judge()
    judge.verdicts(gpu())
    lost = gpu(ecc_uncorrected_aggregate_errors=3, ecc_uncorrected_volatile_errors=2)
    found = judge.after(5).of("memory", lost)
    assert (found.state, "within the last hour; uncorrected ECC errors: 2" in found.reason) == ("critical", True)
    assert "since the driver" not in found.reason
    for _ in range(64):
        found = judge.after(60).of("memory", lost)
    assert (found.state, "since the driver was loaded" in found.reason) == ("warning", True)


@pytest.mark.parametrize(
    ("component", "reads", "words"),
    [
        ("pcie", lambda minute: {"pcie_replays": 10 * minute}, "repeats transfers"),
        ("nvlink", lambda minute: {"link": {"recovery_errors": int(minute > 5)}}, "trained anew"),
        ("nvlink", lambda minute: {"link": {"replay_errors": 2 * minute}}, "repeated transfers"),
        ("nvlink", lambda minute: {"link": {"crc_data_errors": minute, "ecc_data_errors": minute}}, "data errors"),
        ("nvlink", lambda minute: {"link": {"crc_flit_errors": 100 * minute}}, "CRC errors"),
    ],
)
def test_errors_of_links_in_an_hour(component: str, reads: Reads, words: str) -> None:
    """Errors of links above their number in an hour are a warning; NVLink's names the worst link."""
    found = minutes(Judge(), 61, reads, component)
    assert (found.state, words in found.reason) == ("warning", True)
    assert component == "pcie" or "nvlink_worst=link 3: " in found.evidence


@pytest.mark.parametrize(
    ("counter", "reads", "words"),
    [
        ("link_recovery_events", lambda minute: 7 + (minute > 5), "trained anew in the last hour; recoveries: 1"),
        ("link_recovery_events", lambda _: 7, ""),
        ("rcv_errors", lambda minute: 1000 + 2 * minute, "data errors 120 times"),
        ("effective_errors", lambda minute: 2 * minute, "data errors 120 times"),
        ("effective_errors", lambda minute: minute // 2, ""),
    ],
)
def test_errors_of_nvlink_5(counter: str, reads: Callable[[int], int], words: str) -> None:
    """Blackwell, which has no counters of single links, is judged by the driver's own fields over all of them."""
    found = minutes(Judge(), 61, lambda minute: {"driver_fields": {f"nvlink_count_{counter}": reads(minute)}}, "nvlink")
    assert (found.state, words in found.reason) == ("warning" if words else "ok", True)


def test_few_errors_of_links_are_none() -> None:
    """What a link repeats now and then is no fault, and counters that stand still never are."""
    few = {"pcie_replays": 1, "link": {"replay_errors": 59, "crc_flit_errors": 3599}}
    for component in ("pcie", "nvlink"):
        assert minutes(Judge(), 61, lambda minute: dict(few) if minute else {}, component).state == "ok"
        assert minutes(Judge(), 61, lambda minute: {"link": {"recovery_errors": 7}}, component).state == "ok"


def test_share_of_time_slowed_by_heat() -> None:
    """A tenth of ten minutes under heat is a warning, half of them critical, by the driver's counter or by the mask."""

    def slowed(share: float) -> Reads:
        return lambda minute: {"thermal_violation_ns": int(minute * 60e9 * share)}

    assert minutes(Judge(), 12, slowed(0.09), "thermal").state == "ok"
    found = minutes(Judge(), 12, slowed(0.2), "thermal")
    assert (found.state, "20 % of the last 10 minutes" in found.reason) == ("warning", True)
    assert minutes(Judge(), 12, slowed(0.5), "thermal").state == "critical"
    assert minutes(Judge(), 4, slowed(0.5), "thermal").state == "ok"
    uncounted = {"thermal_violation_ns": None}
    by_mask = minutes(
        Judge(), 12, lambda minute: {**uncounted, "throttle_reasons": 0x20 * (minute % 4 == 0)}, "thermal"
    )
    assert (by_mask.state, "heat slowed" in by_mask.reason) == ("warning", True)
    brake = minutes(Judge(), 14, lambda minute: {"throttle_reasons": 0x80 * (minute in (4, 6))}, "power")
    assert (brake.state, "braked the GPU" in brake.reason) == ("warning", True)


def test_share_of_time_slowed_by_heat_on_amd() -> None:
    """By the longest of the causes that are heat, which may overlap; a power limit is none, nor what began anew."""

    def slowed(**shares: float) -> Reads:
        counted = {cause: share * 60e9 for cause, share in shares.items()}
        unlike_nvidia = {"thermal_violation_ns": None, "throttle_reasons": None}
        return lambda minute: {
            **unlike_nvidia,
            "throttled_ns": {cause: 10**12 + int(minute * each) for cause, each in counted.items()},
        }

    found = minutes(Judge(), 14, slowed(socket_thermal=0.2, hbm_thermal=0.1, ppt=0.9), "thermal")
    assert (found.state, "heat slowed the GPU down for 20 % of the last" in found.reason) == ("warning", True)
    assert minutes(Judge(), 14, slowed(prochot=0.6), "thermal").state == "critical"
    assert minutes(Judge(), 14, slowed(ppt=1.0, vr_thermal=0.05), "thermal").state == "ok"
    again = {"thermal_violation_ns": None, "throttle_reasons": None}
    anew = minutes(
        Judge(), 14, lambda minute: {**again, "throttled_ns": {"hbm_thermal": 10**12 * (14 - minute)}}, "thermal"
    )
    assert anew.state == "ok"


def test_share_of_time_slowed_by_heat_on_intel() -> None:
    """By what its driver says holds the clocks down: any sensor's heat, and no limit of power or current."""

    def held(*reasons: str, of: int = 1) -> GpuHealth:
        names = ("thermal", "prochot", "vr_thermalert", "pl1", "pl4")
        unlike_nvidia = {"thermal_violation_ns": None, "throttle_reasons": None}

        def read(minute: int) -> dict[str, Any]:
            fields = {f"throttle_reason_{name}": int(name in reasons and minute % of == 0) for name in names}
            return {**unlike_nvidia, "driver_fields": fields}

        return minutes(Judge(), 14, read, "thermal", vendor="intel")

    assert held("thermal").state == "critical"
    found = held("vr_thermalert", of=4)
    assert (found.state, "heat slowed the GPU down" in found.reason) == ("warning", True)
    assert held("pl1", "pl4").state == "ok"


def usual_and_then(then: dict[str, Any], component: str = "clocks", usual: dict[str, Any] = BUSY) -> GpuHealth:
    """An hour as usual, then a quarter of one otherwise."""
    return minutes(Judge(), 75, lambda minute: usual if minute < 60 else {**usual, **then}, component)


def test_a_clock_below_its_own() -> None:
    """More than 15 % below its own clock at the same load is a warning; where something explains it, it is none."""
    found = usual_and_then({"clock_sm_megahertz": 1600})
    assert (found.state, "runs at 1600 MHz, where it did at 1900 MHz" in found.reason) == ("warning", True)
    assert usual_and_then({"clock_sm_megahertz": 1630}).state == "ok"
    for explained in (
        {"throttle_reasons": 0x4},
        {"throttle_reasons": 0x2},
        {"throttle_reasons": None},
        {"memory_utilization_percent": 80},
        {"utilization_percent": 70},
        {"utilization_percent": None},
    ):
        found = usual_and_then({"clock_sm_megahertz": 1000, **explained})
        assert found.state in ("ok", "unknown"), explained
    short = minutes(Judge(), 30, lambda minute: {**BUSY, "clock_sm_megahertz": 1900 - 40 * minute}, "clocks")
    assert short.state == "ok"
    unknown_memory = {"utilization_percent": 98, "memory_utilization_percent": None}
    assert usual_and_then({"clock_sm_megahertz": 1600}, usual=unknown_memory).state == "warning"


def test_power_beside_its_own() -> None:
    """More than 30 % off its own power at the same load and clock is a warning; at another clock it is not compared."""
    found = usual_and_then({"power_milliwatts": 200_000}, "power")
    assert (found.state, "takes 200 W, where it took 300 W" in found.reason) == ("warning", True)
    assert usual_and_then({"power_milliwatts": 400_000}, "power").state == "warning"
    assert usual_and_then({"power_milliwatts": 215_000}, "power").state == "ok"
    assert usual_and_then({"power_milliwatts": 200_000, "clock_sm_megahertz": 1700}, "power").state == "ok"


def test_memory_is_bounded() -> None:
    """More than a day of samples keeps a day, less what is dropped at once, and trends go on."""
    history = History()
    for minute in range(CAPACITY + 2 * SLACK):
        history.add(60.0 * minute, gpu(**BUSY, pcie_replays=10 * minute), links())
        assert len(history) <= CAPACITY
    assert len(history) >= CAPACITY - SLACK
    assert history.derived["pcie_replays_last_hour"] == 600
    assert history.recent is not None


def test_a_first_minute_may_be_shorter() -> None:
    """Between samples of a minute what is read counts to its mean; the first minute may be shorter than the others."""
    history = History(first_seconds=20.0)
    for seconds in range(0, 145, 5):
        history.add(float(seconds), gpu(), ())
    assert len(history) == 4


READINGS = st.builds(
    lambda values: GpuReading(**values),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "utilization_percent",
                "memory_utilization_percent",
                "clock_sm_megahertz",
                "power_milliwatts",
                "throttle_reasons",
                "thermal_violation_ns",
                "pcie_replays",
                "ecc_corrected_aggregate_errors",
                "ecc_uncorrected_volatile_errors",
            ),
            st.none() | st.integers(0, 2**53) | st.integers(0, 100),
        ),
    ),
)


@given(st.lists(st.tuples(st.floats(0.1, 4000), READINGS), max_size=40))
def test_any_readings_make_numbers(samples: list[tuple[float, GpuReading]]) -> None:
    """Whatever is read, and however seldom: nothing raises, shares are shares, growth is never negative."""
    history, now = History(), 0.0
    for seconds, reading in samples:
        now += seconds
        history.add(now, gpu(**{name: getattr(reading, name) for name in reading.__struct_fields__}), ())
    for name, value in history.derived.items():
        assert value == value
        assert not name.endswith("_last_hour") or value >= 0
        assert not name.endswith("throttle_percent") or 0 <= value <= 100


def test_growth_slope_and_median() -> None:
    """Growth leaves out what is unknown and what went back; a slope needs two times; a median any known value."""
    nan = float("nan")
    assert growth([1, 2, 3, 4, 5], [5, nan, 7, 2, 4]) == [Point(1, 0), Point(3, 2), Point(4, 2), Point(5, 4)]
    assert slope([Point(0, 0), Point(10, 30), Point(20, 60)]) == pytest.approx(3)
    assert slope([Point(0, 0), Point(1, 0), Point(2, 6)]) == pytest.approx(3)
    assert slope([Point(1, 1)]) is None
    assert slope([Point(1, 1), Point(1, 2)]) is None
    assert [median(values) for values in ([], [nan], [3, 1, 2], [4, 1, 2, 3])] == [None, None, 2, 2.5]
    assert is_outlier(70, [98, 100, 102, 100])
    assert not is_outlier(95, [98, 100, 102, 100])
    assert not is_outlier(70, [])


def test_growth_of_a_column() -> None:
    """Unknown now, or too short: unknown. Standing still: none. Else what it grew in all."""
    nan = float("nan")
    columns = ([1.0], [1.0, nan], [nan, 1.0], [3.0, 3.0, 3.0], [1.0, nan, 4.0], [5.0, 0.0, 5.0])
    assert [grown_by(array("d", column)) for column in columns] == [None, None, None, 0.0, 3.0, 5.0]
