"""What one who listens is told of eight GPUs while things go wrong, and what is true of them."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.records.gpu import GpuReport
from nodescope.simulate import START_SECONDS
from nodescope.simulate.gpu_machine import ALL_CALLS, HUNG_CALL, Gpus, Listening, gpus_of, report, state

SINCE: Final = Listening(START_SECONDS)
LATER: Final = Listening(START_SECONDS + 150.0)


def faulty(faults: str) -> Gpus:
    return gpus_of(1, faults, START_SECONDS, False)


def told(gpus: Gpus, number: int, seconds: float, listening: Listening = SINCE) -> GpuReport:
    said = report(gpus.gpus[number], START_SECONDS + seconds, listening).fields
    return msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=GpuReport)


def grown(gpus: Gpus, field: str, first: float, last: float) -> int:
    """Of GPU 0."""
    one, other = (getattr(told(gpus, 0, seconds).reading, field) for seconds in (first, last))
    return int(other - one)


@pytest.mark.parametrize(("what", "read"), [("lost", set()), ("reset_required", {"recovery_action"})])
def test_gone(what: str, read: set[str]) -> None:
    """A GPU that is lost or must be reset says so and hardly anything else; the others, and it afterwards, are well."""
    gpus = faulty(f"{what}@100+50:gpu2")
    assert [told(gpus, 2, seconds).state for seconds in (99.0, 100.0, 149.0, 150.0)] == ["ok", what, what, "ok"]
    report_ = told(gpus, 2, 120.0)
    assert set(msgspec.to_builtins(report_.reading)) == read
    assert (report_.links, report_.ecc, report_.processes) == ((), (), ())
    assert "NVML says" in report_.reason
    assert {told(gpus, number, 120.0).state for number in (0, 1, 3, 4, 5, 6, 7)} == {"ok"}
    assert report(gpus.gpus[2], START_SECONDS + 120.0, SINCE).read_at == START_SECONDS + 100.0
    assert report(gpus.gpus[2], START_SECONDS + 120.0, Listening(START_SECONDS + 110.0)).read_at is None


def test_hang() -> None:
    """A GPU that hangs names the call, keeps its newest reading, and says since when; then it goes on."""
    gpus = faulty("hang@100+100:gpu1")
    found = report(gpus.gpus[1], START_SECONDS + 160.0, SINCE)
    assert (found.read_at, found.hung_since) == (START_SECONDS + 100.0, START_SECONDS + 100.0)
    report_ = told(gpus, 1, 160.0)
    assert (report_.state, report_.busy_call) == ("unresponsive", HUNG_CALL)
    assert report_.reading == told(gpus, 1, 160.0).reading == told(faulty(""), 1, 100.0).reading
    assert (told(gpus, 1, 200.0).state, told(gpus, 1, 200.0).busy_call) == ("ok", "")


def test_hang_of_one_who_came_later() -> None:
    """One who begins to listen to a GPU that hangs has no reading of it, and waits since it began."""
    gpus = faulty("hang@100:gpu1")
    found = report(gpus.gpus[1], START_SECONDS + 160.0, LATER)
    assert (found.read_at, found.hung_since) == (None, LATER.since)
    assert told(gpus, 1, 160.0, LATER).reading.energy_millijoules is None


def test_calls_that_are_skipped() -> None:
    """Without the call that hangs, everything but what it tells is read; without any call, nothing is."""
    gpus = faulty("hang@100:gpu1")
    one = told(gpus, 1, 160.0, LATER._replace(skip=(HUNG_CALL,)))
    assert (one.state, one.busy_call, one.reading.power_milliwatts) == ("ok", "", None)
    assert one.reading.energy_millijoules is not None
    nothing = told(gpus, 1, 160.0, LATER._replace(skip=(ALL_CALLS,)))
    assert (nothing.state, nothing.busy_call, nothing.links) == ("unresponsive", "", ())
    assert "it is not asked" in nothing.reason


def test_throttle() -> None:
    """A GPU that is too hot slows down, says why, draws less than it may, and counts exactly that time."""
    gpus = faulty("throttle@100+200:gpu0,throttle@250+100:gpu0")
    hot = told(gpus, 0, 300.0).reading
    assert hot.throttle_reasons == 0x48
    assert (hot.temperature_celsius or 0) >= 89
    assert (hot.clock_sm_megahertz or 0) < 1_300
    assert grown(gpus, "thermal_violation_ns", 0.0, 1_000.0) == 250 * 10**9
    assert told(gpus, 0, 500.0).reading.throttle_reasons != 0x48


def test_remap_and_ecc() -> None:
    """An uncorrected error is counted at its place for good; a row that waits to be remapped waits until it is."""
    gpus = faulty("ecc@100:gpu0,ecc@200:gpu0,remap@100+50:gpu0")
    assert grown(gpus, "ecc_uncorrected_volatile_errors", 99.0, 100.0) == 1
    assert grown(gpus, "ecc_uncorrected_aggregate_errors", 0.0, 300.0) == 2
    places = {(ecc.location, ecc.corrected, ecc.life): ecc.errors for ecc in told(gpus, 0, 300.0).ecc}
    assert len(places) == 8
    assert places["dram", "uncorrected", "volatile"] == 2
    assert [told(gpus, 0, seconds).reading.remapped_rows_pending for seconds in (99.0, 120.0, 150.0)] == [0, 1, 0]
    assert told(gpus, 0, 300.0).reading.remapped_rows_uncorrected == 1


def test_nvlink_down() -> None:
    """A link that is down is not active and moves nothing; the other seventeen go on, and so does it afterwards."""
    gpus = faulty("nvlink5@1000+40000:gpu0")
    before, down, later = (told(gpus, 0, seconds).links for seconds in (1_000.0, 30_000.0, 60_000.0))
    assert [link.active for link in down] == [int(number != 5) for number in range(18)]
    assert down[5].tx_kibibytes == before[5].tx_kibibytes
    assert (down[4].tx_kibibytes or 0) > (before[4].tx_kibibytes or 0)
    assert (later[5].tx_kibibytes or 0) > (down[5].tx_kibibytes or 0)
    assert [link.recovery_errors for link in later] == [int(number == 5) for number in range(18)]


def test_mig() -> None:
    """A GPU that is partitioned meanwhile has seven instances in the inventory and in its report, and no links."""
    gpus = faulty("mig@100+100:gpu3")
    assert [sum(gpus.partitioned(START_SECONDS + seconds)) for seconds in (99.0, 100.0, 200.0)] == [0, 1, 0]
    report_ = told(gpus, 3, 150.0)
    assert (len(report_.instances), len(report_.processes), len(report_.links)) == (7, 8, 0)
    assert report_.reading.utilization_percent is None
    assert report_.reading.mig_mode == 1
    instances = gpus.inventory(START_SECONDS + 150.0)[1]
    assert [instance["uuid"] for instance in instances] == [instance.uuid for instance in report_.instances]
    assert all(instance.profiling for instance in report_.instances)
    bare = told(gpus, 3, 150.0, SINCE._replace(profiling=False, processes=False))
    assert (bare.processes, bare.processes_told, bare.reading.profiling) == ((), False, {})
    assert not any(instance.profiling for instance in bare.instances)


def test_xids() -> None:
    """Each XID comes once, to whoever waits at its time."""
    gpus = faulty("xid79@100:gpu3,xid48@50:gpu0,xid79@100:gpu3")
    uuids = [gpu.board.uuid for gpu in gpus.gpus]
    found = list(gpus.xids(START_SECONDS + 50.0, START_SECONDS + 100.0))
    assert found == [(uuids[3], 79, START_SECONDS + 100.0)] * 2
    assert list(gpus.xids(START_SECONDS + 100.0, START_SECONDS + 200.0)) == []


def test_driver_gone() -> None:
    """The driver is gone from the one time to the other."""
    gpus = faulty("driver@100+50")
    loaded = [gpus.driver_loaded(START_SECONDS + seconds) for seconds in (99.0, 100.0, 149.0, 150.0)]
    assert loaded == [True, False, False, True]
    rows = list(gpus.truths(START_SECONDS + 120.0))
    assert {metric for metric, _, _ in rows} == {"gpu_up"}


@settings(max_examples=25)
@given(seed=st.integers(), seconds=st.floats(0.0, 1e9))
def test_truths(seed: int, seconds: float) -> None:
    """The truth of a GPU is what is read of it at that time; no row comes twice."""
    gpus = Gpus(seed)
    rows = list(gpus.truths(seconds))
    found = {(metric, frozenset(labels.items())): value for metric, labels, value in rows}
    assert len(found) == len(rows)
    for gpu in gpus.gpus:
        assert state(gpu, seconds) == "ok"
        labels = frozenset({("uuid", gpu.board.uuid)})
        reading = gpu.reading(seconds)
        assert found["gpu_up", labels] == 1.0
        for name in ("energy_millijoules", "utilization_percent", "memory_used_bytes", "temperature_celsius"):
            assert found[f"gpu_{name}", labels] == reading[name]


def test_truths_of_faults() -> None:
    """Of a GPU that does not answer it is only said that it does not; XIDs are counted, instances told of."""
    gpus = faulty("lost@10:gpu0,hang@10:gpu1,mig@10:gpu2,xid79@20:gpu0,xid79@30:gpu0,nvlink0@10:gpu3")
    uuids = [gpu.board.uuid for gpu in gpus.gpus]
    rows = list(gpus.truths(START_SECONDS + 100.0))
    up = {labels["uuid"]: value for metric, labels, value in rows if metric == "gpu_up"}
    assert [up[uuid] for uuid in uuids] == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert {labels["uuid"] for metric, labels, _ in rows if metric == "gpu_energy_millijoules"} == set(uuids[2:])
    assert ("gpu_xids", {"uuid": uuids[0], "xid": "79"}, 2.0) in rows
    assert ("gpu_nvlinks_active", {"uuid": uuids[3]}, 17.0) in rows
    assert sum(metric == "gpu_instance_memory_used_bytes" for metric, _, _ in rows) == 7
