"""The source with a program in rocm-smi's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.amd.rocm_smi import CORE, JSON, NEWER, PARTITIONS, rocm_smi_source
from nodescope.devices.amd.tool_source import ToolLimits, ToolSource
from nodescope.devices.source import SourceFailed
from nodescope.host import Absent, Host
from tests.devices.amd.fake_amd_smi import FakeTool

WAIT_S = 30.0
LIMITS = ToolLimits(least_interval_s=0.05, run_s=5.0, longest_rest_s=0.2)
ALL = " ".join((*CORE, *NEWER))
CARDS = {"card0": {"PCI Bus": "0000:0C:00.0", "GPU use (%)": "5"}, "system": {"Driver version": "6.1"}}


@pytest.fixture
def smi(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path / "bin", "rocm-smi")


@pytest.fixture
def source(smi: FakeTool, tmp_path: Path) -> Iterator[ToolSource]:
    (tmp_path / "sys").mkdir()
    made = rocm_smi_source(Host(sysfs=str(tmp_path / "sys")), str(smi.path), interval_s=0.0, limits=LIMITS)
    yield made
    made.close()


def test_json(smi: FakeTool, source: ToolSource) -> None:
    """Cards are those of the JSON, with the modes of their partitions; the status says who told."""
    smi.answer(" ".join((ALL, *JSON)), CARDS)
    smi.answer(" ".join((*PARTITIONS, *JSON)), {"card0": {"Compute Partition": "SPX", "Memory Partition": "NPS1"}})
    (gpu,) = source.observe(WAIT_S).gpus
    assert (gpu.uuid, gpu.compute_partition, gpu.memory_partition, gpu.driver_version) == (
        "0000:0c:00.0", "SPX", "NPS1", "6.1",
    )  # fmt: skip
    status = source.status()
    assert (status.kind, status.state, status.rounds, status.failed_runs) == ("rocm-smi", "ok", 1, 0)
    assert status.sample_seconds is not None


def test_an_older_release(smi: FakeTool, source: ToolSource) -> None:
    """One that does not know an argument is asked for what all know, and from then on only for that."""
    smi.answer(" ".join((*CORE, *JSON)), CARDS)
    assert source.observe(WAIT_S).reports[0].reading.utilization_percent == 5
    assert source.observe(WAIT_S).reports[0].reading.utilization_percent == 5
    assert smi.runs().count(" ".join((ALL, *JSON))) == 1


def test_text(smi: FakeTool, source: ToolSource) -> None:
    """Where there is a warning in the place of JSON, text is read."""
    smi.answer(" ".join((ALL, *JSON)), "WARNING: No JSON data to report\n")
    smi.answer(ALL, "GPU[0]\t\t: PCI Bus: 0000:0C:00.0\nGPU[0]\t\t: GPU use (%): 6\n")
    observed = source.observe(WAIT_S)
    assert (observed.gpus[0].uuid, observed.reports[0].reading.utilization_percent) == ("0000:0c:00.0", 6)


def test_nothing(smi: FakeTool, source: ToolSource, tmp_path: Path) -> None:
    """No data in either form is no GPU, garbage is a failure."""
    smi.answer("default", "WARNING: No JSON data to report\n")
    with pytest.raises(Absent, match="rocm-smi finds no AMD GPU"):
        source.observe(WAIT_S)
    smi.answer("default", "\xff\xfe garbage", status=1)
    assert source.status().failed_runs == 0
    assert "status 1 and without a card" in first_failure(source)
    assert source.status().failed_runs >= 1
    assert (source.status().rounds, source.status().sample_seconds) == (0, None)


def first_failure(source: ToolSource) -> str:
    """Why it fails, as soon as it does."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            source.observe(WAIT_S)
        except Absent:
            continue
        except SourceFailed as error:
            return str(error)
    raise AssertionError(f"no failure: {source.status()}")
