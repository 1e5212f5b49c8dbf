"""What a simulated H200 reads: true to itself at every time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.plausible import Plausible
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity
from nodescope.simulate import START_SECONDS
from nodescope.simulate.gpu_machine import Gpus, Listening, gpus_of, report
from tests.devices import other_vendors

SEEDS: Final = st.integers(-(2**64), 2**64)
TIMES: Final = st.floats(0.0, 1e9)
FEW: Final = settings(max_examples=25)
COUNTERS: Final = (
    "energy_millijoules",
    "power_violation_ns",
    "thermal_violation_ns",
    "total_base_clocks_violation_ns",
    "pcie_tx_bytes",
    "pcie_rx_bytes",
    "pcie_replays",
    "ecc_corrected_volatile_errors",
    "ecc_corrected_aggregate_errors",
    "ecc_uncorrected_volatile_errors",
    "remapped_rows_uncorrected",
)
NOT_SAID: Final = {
    # An H200 has no fan, retires no pages and needs no licence; rates are worked out by who reads the counters.
    "fan_speed_percent",
    "retired_pages_corrected",
    "retired_pages_uncorrected",
    "retired_pages_pending",
    # It is on driver 570, which tells of no repair.
    "channel_repair_pending",
    "tpc_repair_pending",
    "memory_unrepairable",
    "vgpu_license_status",
    "pcie_tx_kilobytes_per_second",
    "pcie_rx_kilobytes_per_second",
    "nvlink_megabytes_per_second",
    "nvlink_rx_megabytes_per_second",
    "nvlink_tx_megabytes_per_second",
}
NOT_SAID_IN_PARTS: Final = {
    *(f"{engine}_utilization_percent" for engine in ("encoder", "decoder", "jpeg", "ofa", "memory")),
    "utilization_percent",
    *(f"remapped_rows_{what}" for what in ("corrected", "uncorrected", "pending", "failure")),
    *(f"remap_banks_{what}" for what in ("max", "high", "partial", "low", "none")),
}


def reports(gpus: Gpus, seconds: float) -> list[GpuReport]:
    """As the parent decodes them."""
    said = [report(gpu, seconds, Listening()).fields for gpu in gpus.gpus]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=list[GpuReport])


def faulty(faults: str, seed: int = 1) -> Gpus:
    return gpus_of(seed, faults, START_SECONDS, False)


def unsaid(record: msgspec.Struct) -> set[str]:
    return {name for name in record.__struct_fields__ if getattr(record, name) is None}


def total(numbers: Iterable[float | None]) -> float:
    found = list(numbers)
    assert None not in found
    return sum(number for number in found if number is not None)


@FEW
@given(seed=SEEDS, seconds=TIMES, partitioned=st.booleans())
def test_it_reads_like_an_h200(seed: int, seconds: float, partitioned: bool) -> None:
    """Everything that an H200 says is said, within what such a board can read."""
    for told in reports(Gpus(seed, (), partitioned), seconds):
        assert told.state == "ok"
        reading = told.reading
        assert unsaid(reading) - other_vendors.READING == NOT_SAID | (NOT_SAID_IN_PARTS if partitioned else set())
        assert 0 <= (reading.power_instant_milliwatts or -1) <= 700_000
        assert 0 <= (reading.power_milliwatts if reading.power_milliwatts is not None else -1) <= 700_000
        assert 27 <= (reading.temperature_celsius or 0) < 87
        assert (reading.temperature_margin_celsius or 0) + (reading.temperature_celsius or 0) == 87
        assert 345 <= (reading.clock_sm_megahertz or 0) <= 1980
        assert reading.memory_total_bytes == 143_771 * 2**20
        assert all(0.0 <= share <= 100.0 for name, share in reading.profiling.items() if name.endswith("_util"))
        assert len(told.links) == (0 if partitioned else 18)
        assert all(link.active == 1 for link in told.links)


@FEW
@given(seed=SEEDS, seconds=TIMES, partitioned=st.booleans())
def test_nothing_is_implausible(seed: int, seconds: float, partitioned: bool) -> None:
    """No reading is one that the agent would drop as out of range."""
    plausible = Plausible("nvidia")
    for told in reports(Gpus(seed, (), partitioned), seconds):
        assert plausible.checked(told) == told
    assert all(dropped.count == 0 for dropped in plausible.records())


@FEW
@given(seed=SEEDS, seconds=TIMES, partitioned=st.booleans())
def test_the_whole_is_its_parts(seed: int, seconds: float, partitioned: bool) -> None:
    """Memory used, reserved and free is all there is; processes have no more than the GPU, and share its load."""
    for told in reports(Gpus(seed, (), partitioned), seconds):
        reading = told.reading
        used, free = reading.memory_used_bytes or 0, reading.memory_free_bytes or 0
        assert used + free + (reading.memory_reserved_bytes or 0) == reading.memory_total_bytes
        of_processes = total(process.memory_used_bytes for process in told.processes)
        assert of_processes <= used <= of_processes + 7 * 9 * 2**20 + 20 * 2**20
        assert total(ecc.errors for ecc in told.ecc if (ecc.corrected, ecc.life) == ("corrected", "volatile")) == (
            reading.ecc_corrected_volatile_errors
        )
        if partitioned:
            assert used >= total(instance.memory_used_bytes for instance in told.instances)
        else:
            assert total(process.sm_utilization_percent for process in told.processes) == reading.utilization_percent
            bus = total(process.memory_utilization_percent for process in told.processes)
            assert bus == reading.memory_utilization_percent
            assert bool(told.processes) == bool(used)


@FEW
@given(seed=SEEDS, first=st.integers(60, 10**7), seconds=st.integers(1, 40))
def test_energy_is_power_over_time(seed: int, first: int, seconds: int) -> None:
    """Energy grows by the mean power of each second, and by the power of each moment."""
    gpus = Gpus(seed)
    for number in (0, 4, 6):
        gpu = gpus.gpus[number]
        readings = [gpu.reading(float(first + second)) for second in range(seconds + 1)]
        energy = [int(str(reading["energy_millijoules"])) for reading in readings]
        means = sum(int(str(reading["power_milliwatts"])) for reading in readings[1:])
        assert energy[-1] - energy[0] == means
        moments = [gpu.reading(first + second + 0.5)["power_instant_milliwatts"] for second in range(seconds)]
        assert energy[-1] - energy[0] == pytest.approx(sum(int(str(power)) for power in moments), abs=1 + seconds)


def went_back(before: GpuReading, after: GpuReading) -> list[str]:
    """Counters that are told both times, and are less the second time."""
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in COUNTERS]
    return [name for name, one, other in pairs if one is not None and other is not None and other < one]


@FEW
@given(seed=SEEDS, times=st.lists(TIMES | st.floats(86_000.0, 90_000.0), min_size=2, max_size=6))
def test_counters_never_go_back(seed: int, times: list[float]) -> None:
    """Over any sequence of times, through faults and partitioning, no counter is less than it was."""
    faults = "throttle@100+50:gpu0,throttle@120+300:gpu0,nvlink3@50+60:gpu0,nvlink3@100+5:gpu0,ecc@70:gpu0"
    gpus = faulty(f"{faults},mig@1000+200:gpu0,remap@80+10:gpu0", seed)
    for earlier, later in pairwise([reports(gpus, seconds) for seconds in sorted(times)]):
        for before, after in zip(earlier, later, strict=True):
            assert went_back(before.reading, after.reading) == []
            for link, later_link in zip(before.links, after.links, strict=False):
                assert (link.tx_kibibytes or 0) <= (later_link.tx_kibibytes or 0)
                assert (link.recovery_errors or 0) <= (later_link.recovery_errors or 0)


@FEW
@given(seed=SEEDS, seconds=TIMES)
def test_same_seed_same_time(seed: int, seconds: float) -> None:
    """Two machines of one seed say the same at the same time, whatever they were asked before."""
    one, other = Gpus(seed), Gpus(seed)
    other.gpus[0].reading(seconds / 3)
    assert reports(one, seconds) == reports(other, seconds)
    assert one.inventory(seconds) == other.inventory(seconds)
    assert list(one.truths(seconds)) == list(other.truths(seconds))


def test_other_seed() -> None:
    """Machines of two seeds have other GPUs that do other things."""
    one, other = reports(Gpus(1), 90_000.0), reports(Gpus(2), 90_000.0)
    assert {told.uuid for told in one}.isdisjoint(told.uuid for told in other)
    assert one[0].reading.energy_millijoules != other[0].reading.energy_millijoules


def test_warmth_follows_power() -> None:
    """A GPU that has begun to work is warmer a minute later than at once; one that is idle is at 30 degrees."""
    gpu = Gpus(1).gpus[6]
    times = [90_000.0 + step for step in range(0, 21_600, 4)]
    idle = [gpu.reading(seconds) for seconds in times if gpu.reading(seconds)["throttle_reasons"] == 1]
    assert min(int(str(reading["temperature_celsius"])) for reading in idle) in range(29, 34)
    assert max(int(str(reading["temperature_celsius"])) for reading in idle) > 34


def test_capped() -> None:
    """While the power limit holds its clocks down it says so, draws nearly the limit, and counts all that time."""
    gpu = Gpus(1).gpus[0]
    seen = 0
    for start in range(90_000, 111_600, 20):
        before, after = gpu.reading(float(start)), gpu.reading(start + 20.0)
        if before["throttle_reasons"] == after["throttle_reasons"] == 0x4:
            held = int(str(after["power_violation_ns"])) - int(str(before["power_violation_ns"]))
            seen += held == 20 * 10**9
            assert int(str(after["power_instant_milliwatts"])) > 690_000
            assert int(str(after["clock_sm_megahertz"])) < 1_900
    assert seen > 5


def test_worn_and_noisy() -> None:
    """One GPU corrects an error each quarter of an hour, one replays; the others do neither."""
    before, after = reports(Gpus(1), 86_400.0), reports(Gpus(1), 86_400.0 + 3_600.0)
    pairs = [(one.reading, other.reading) for one, other in zip(before, after, strict=True)]
    grown = [
        (other.ecc_corrected_volatile_errors or 0) - (one.ecc_corrected_volatile_errors or 0) for one, other in pairs
    ]
    replays = [(other.pcie_replays or 0) - (one.pcie_replays or 0) for one, other in pairs]
    assert grown == [0, 0, 0, 0, 0, 4, 0, 0]
    assert replays == [0, 0, 0, 0, 0, 0, 1, 0]


def test_identities() -> None:
    """Eight GPUs with names and numbers of their own; in parts, seven instances of each with theirs."""
    gpus, instances = msgspec.msgpack.decode(
        msgspec.msgpack.encode(Gpus(1, (), True).inventory(0.0)),
        type=tuple[list[GpuIdentity], list[InstanceIdentity]],
    )
    assert {
        unsaid(gpu) - other_vendors.IDENTITY == {"inforom_power_version", "dri_card", "dri_render"} for gpu in gpus
    } == {True}
    for name in ("uuid", "index", "minor", "pci_address", "device", "serial", "board_id"):
        assert len({getattr(gpu, name) for gpu in gpus}) == 8, name
    assert len({instance.uuid for instance in instances}) == 56
    assert [instance.gpu_instance_id for instance in instances[:7]] == [7, 8, 9, 10, 11, 12, 13]
    assert Gpus(1).inventory(0.0)[1] == []


def test_instances() -> None:
    """The load of a partitioned GPU is that of its instances, and 64 processes run in all but the last of them."""
    everything = reports(Gpus(1, (), True), 90_000.0)
    assert sum(len(told.processes) for told in everything) == 64
    for told in everything:
        used = {process.instance_uuid for process in told.processes}
        assert used == {one.uuid for one in told.instances[: 6 if told is everything[-1] else 7]}
        for name in ("sm_util", "any_tensor_util", "dram_bw_util"):
            whole = sum(instance.profiling[name] * 16 / 132 for instance in told.instances)
            assert told.reading.profiling[name] == pytest.approx(whole)
        for instance in told.instances:
            of_processes = [one for one in told.processes if one.instance_uuid == instance.uuid]
            assert (instance.memory_used_bytes or 0) > total(one.memory_used_bytes for one in of_processes)
            assert (instance.memory_used_bytes or 0) < (instance.memory_total_bytes or 0)
