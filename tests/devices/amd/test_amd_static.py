"""What amd-smi static adds to what sysfs tells, and the sampler of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.devices.amd.amd_static import AmdStaticSampler, Supplemented
from nodescope.devices.amd.smi_identity import supplemented
from nodescope.devices.amd.smi_static import static as static_record
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity
from nodescope.records.gpu_snapshot import GpuSource
from tests.conftest import NoThreads
from tests.devices.amd.fake_amd_smi import FakeTool, address_of, listed, node, static, uuid_of

WAIT_S = 20.0
GPU = GpuIdentity(vendor="amd", uuid=uuid_of(0), pci_address=address_of(0), model="of sysfs", driver_version="6.11")
REPORT = GpuReport(uuid=uuid_of(0), sampled_monotonic_seconds=1.0, reading=GpuReading(power_milliwatts=5))
OBSERVED = Observed(1, (GPU,), (), (REPORT,))


class Fixed:
    """A source that tells of one GPU."""

    def observe(self, timeout_s: float) -> Observed:
        return OBSERVED

    def status(self) -> GpuSource:
        return GpuSource(vendor="amd", kind="sysfs", state="ok")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def smi(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path / "bin")


@pytest.fixture
def sampler(smi: FakeTool, tmp_path: Path) -> Callable[..., AmdStaticSampler]:
    (tmp_path / "sys").mkdir()
    return lambda **more: AmdStaticSampler(Host(sysfs=str(tmp_path / "sys")), str(smi.path), **more)


def test_only_what_is_missing() -> None:
    """What sysfs tells stays; what it does not is filled in, in the identity and in the reading."""
    told = static_record({**static(0), "bus": {"bdf": address_of(0).upper(), "max_pcie_width": 16}})
    assert told is not None
    (gpu,), (report,) = supplemented(OBSERVED, [told])[1::2]
    assert (gpu.model, gpu.driver_version) == ("of sysfs", "6.11")
    assert (gpu.oam_id, gpu.memory_type, gpu.memory_vendor, gpu.memory_bit_width) == (0, "HBM3", "HYNIX", 8192)
    assert (report.reading.power_milliwatts, report.reading.power_limit_milliwatts) == (5, 750_000)
    assert report.reading.pcie_max_width_lanes == 16


def test_another_gpus_is_not_taken() -> None:
    """A document of another GPU adds nothing; one without address is known by its unique number."""
    other = static_record({**static(1), "bus": {"bdf": address_of(1)}})
    assert other is not None
    assert supplemented(OBSERVED, [other]) == OBSERVED
    assert supplemented(OBSERVED, []) is OBSERVED
    nameless = static_record(static(0))
    assert nameless is not None
    assert supplemented(OBSERVED, [other, nameless]).gpus[0].memory_type == "HBM3"


def test_of_a_partitioned_gpu() -> None:
    """A partition's compute units are not taken for the GPU's, and a report without a reading stays without."""
    told = static_record({**static(0), "asic": {"asic_serial": "0xA0", "num_compute_units": 38}})
    assert told is not None
    observed = OBSERVED._replace(
        instances=(InstanceIdentity(gpu_uuid=uuid_of(0), uuid="x"),),
        reports=(GpuReport(uuid=uuid_of(0), state="lost"),),
    )
    found = supplemented(observed, [told])
    assert (found.gpus[0].compute_units, found.gpus[0].memory_bit_width) == (None, 8192)
    assert found.reports == observed.reports
    assert supplemented(OBSERVED, [told]).gpus[0].compute_units == 38


def test_the_sampler(smi: FakeTool, sampler: Callable[..., AmdStaticSampler]) -> None:
    """One record for each GPU, with the address that only the list tells; within half an interval the same again."""
    node(smi, 0, 1)
    one = sampler()
    records = one.sample()
    assert [(record.gpu, record.bus.bdf) for record in records] == [(0, address_of(0)), (1, address_of(1))]
    assert one.sample() is records is one.newest()
    assert smi.runs() == ["list --json", "static --json"]


def test_failures_of_the_sampler(smi: FakeTool, sampler: Callable[..., AmdStaticSampler], tmp_path: Path) -> None:
    """Without a driver it is absent, else failed, and what was told last stays."""
    node(smi, 0)
    one = sampler(interval_s=0.0)
    records = one.sample()
    smi.answer("default", "driver not initialized", status=1)
    smi.answer("static --json", "driver not initialized", status=1)
    with pytest.raises(Absent, match="no AMD driver"):
        one.sample()
    smi.answer("static --json", "oh", status=9)
    with pytest.raises(SourceFailed, match="status 9"):
        one.sample()
    assert one.newest() == records


def test_beside_sysfs(smi: FakeTool, sampler: Callable[..., AmdStaticSampler]) -> None:
    """The source is asked without waiting for amd-smi; once that has told, its values are there."""
    smi.answer("list --json", [listed(0)])
    smi.answer("static --json", [static(0)], sleep_s=0.2)
    source = Supplemented(Fixed(), sampler())
    assert source.observe(1.0).gpus[0].memory_type is None
    deadline = time.monotonic() + WAIT_S
    while source.observe(1.0).gpus[0].memory_type is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert source.status().kind == "sysfs"
    source.close()


def test_beside_sysfs_without_threads(
    smi: FakeTool, sampler: Callable[..., AmdStaticSampler], no_threads: NoThreads
) -> None:
    """Where there is no thread for amd-smi the source is read all the same; once there is one, amd-smi is run."""
    node(smi, 0)
    source = Supplemented(Fixed(), sampler())
    with no_threads():
        assert source.observe(1.0) == OBSERVED
    deadline = time.monotonic() + WAIT_S
    while source.observe(1.0).gpus[0].memory_type is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    source.close()


class EndsOnce(PauseFile):
    """Ends the thread that asks it first."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.asked = 0

    def is_paused(self) -> bool:
        self.asked += 1
        if self.asked == 1:
            raise SystemExit
        return False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_replaced(
    smi: FakeTool, sampler: Callable[..., AmdStaticSampler], tmp_path: Path
) -> None:
    """Where the thread that runs amd-smi has ended unforeseen another one goes on."""
    node(smi, 0)
    pauses = EndsOnce(str(tmp_path / "pause"))
    source = Supplemented(Fixed(), sampler(pause_file=pauses))
    deadline = time.monotonic() + WAIT_S
    while source.observe(1.0).gpus[0].memory_type is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pauses.asked > 1
    source.close()
