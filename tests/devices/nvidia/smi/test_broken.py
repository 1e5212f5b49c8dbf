"""GPUs that are lost, drivers that do not answer and the like, as nvidia-smi tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nodescope.devices.nvidia.smi.source import SmiLimits, SmiSource
from nodescope.devices.source import LibraryMissing, Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReport
from tests.devices.nvidia.smi.fake_nvidia_smi import FakeNvidiaSmi, address_of, empty_host, gpu_xml, log_xml, uuid_of

WAIT_S = 20.0
LIMITS = SmiLimits(least_interval_s=0.05, run_s=5.0, listing_s=60.0, longest_rest_s=0.2)
LOST = "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU"
CASES: Final[dict[str, tuple[int, str | type[Exception]]]] = {
    "gpu_lost_plain": (15, "lost lost"), "handle_unknown_error": (255, "failed"), "driver_mismatch": (18, SourceFailed),
    "nvml_unknown_in_container": (255, SourceFailed), "no_driver": (9, Absent), "no_devices": (6, Absent),
}  # fmt: skip
"""Case of the collection of broken states: exit status, and the states of GPUs or what is raised."""


@pytest.fixture
def smi(tmp_path: Path) -> FakeNvidiaSmi:
    return FakeNvidiaSmi(tmp_path / "bin")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return empty_host(tmp_path)


@pytest.fixture
def source(smi: FakeNvidiaSmi, host: Host) -> Iterator[SmiSource]:
    made = SmiSource(host, str(smi.path), 0.0, LIMITS)
    yield made
    made.close()


def seen_by_module(tmp_path: Path, *numbers: int) -> None:
    """The kernel module has these GPUs."""
    for number in numbers:
        folder = tmp_path / "proc/driver/nvidia/gpus" / address_of(number)
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: NVIDIA X{number}\nGPU UUID: {uuid_of(number)}\n")


def states(observed: Observed) -> dict[str, str]:
    return {report.uuid: report.state for report in observed.reports}


def report_of(observed: Observed, number: int) -> GpuReport:
    return next(report for report in observed.reports if report.uuid == uuid_of(number))


def messages(shared: Path) -> dict[str, str]:
    blocks = (shared / "captures/nvidia/broken_states.txt").read_text().split("# CASE ")[1:]
    return {block.split()[0]: block.partition("\n")[2] for block in blocks}


@pytest.mark.parametrize("case", CASES)
def test_broken_states(smi: FakeNvidiaSmi, source: SmiSource, shared: Path, case: str) -> None:
    """Each collected message with its exit status is a GPU's state, an absence or a failure."""
    status, outcome = CASES[case]
    smi.all_answers(messages(shared)[case], status)
    if isinstance(outcome, str):
        assert " ".join(states(source.observe(WAIT_S)).values()) == outcome
    else:
        with pytest.raises(outcome):
            source.observe(WAIT_S)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9, "no NVIDIA driver"),
        ("No devices were found", 6, "no GPU"),
        ("", 9, "no NVIDIA driver"),
        (log_xml(), 0, "no GPU"),
    ],
    ids=["no driver", "no devices", "status alone", "empty log"],
)
@pytest.mark.parametrize("to_error", [False, True], ids=["stdout", "stderr"])
def test_nothing_there(
    smi: FakeNvidiaSmi, source: SmiSource, said: str, status: int, reason: str, to_error: bool
) -> None:
    """Where there is no driver or no GPU that is absent, whatever stream says so."""
    if to_error and "<" not in said:
        smi.all_answers(stderr=said, status=status)
    else:
        smi.all_answers(stdout=said, status=status)
    with pytest.raises(Absent, match=reason):
        source.observe(WAIT_S)
    assert source.status().state == "failed"


def test_no_program(host: Host, tmp_path: Path) -> None:
    """Where there is no nvidia-smi that is absent, and the reason names it."""
    source = SmiSource(host, str(tmp_path / "none"), limits=LIMITS)
    with pytest.raises(Absent, match=r"there is no .*none: install"):
        source.observe(WAIT_S)
    assert source.status().starts == 0
    source.close()


@pytest.mark.parametrize(
    ("said", "status", "kind", "reason"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", 18, SourceFailed, "different versions"),
        ("Failed to initialize NVML: Unknown Error", 255, SourceFailed, "restart the container"),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", 12, LibraryMissing, "install"),
        ("What is this", 77, SourceFailed, "status 77 .*What is this"),
        ("<nvidia_smi_log><gpu>", 0, SourceFailed, "expected an end, </nvidia_smi_log>"),
        ("\x00\xff" * 500, 0, SourceFailed, "told of no GPU"),
    ],
    ids=["mismatch", "unknown", "library", "words", "cut", "garbage"],
)
def test_nothing_readable(
    smi: FakeNvidiaSmi, source: SmiSource, said: str, status: int, kind: type[Exception], reason: str
) -> None:
    """Where there should be GPUs and none was ever read, the failure says why."""
    smi.all_answers(said, status)
    with pytest.raises(SourceFailed, match=reason) as raised:
        source.observe(WAIT_S)
    assert type(raised.value) is kind
    assert source.status().reason == str(raised.value)


def test_a_driver_that_does_not_answer(smi: FakeNvidiaSmi, source: SmiSource, tmp_path: Path) -> None:
    """That no driver answers is a failure where its kernel module is loaded."""
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text("NVRM version: x")
    smi.all_answers("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9)
    with pytest.raises(SourceFailed, match="is loaded and nvidia-smi cannot talk to it"):
        source.observe(WAIT_S)


def test_gpus_of_which_only_the_module_tells(smi: FakeNvidiaSmi, source: SmiSource, tmp_path: Path) -> None:
    """Where nvidia-smi finds no GPU and the module has some, they failed: they are told of, without readings."""
    seen_by_module(tmp_path, 0)
    smi.all_answers("No devices were found", 6)
    observed = source.observe(WAIT_S)
    assert [(gpu.uuid, gpu.model) for gpu in observed.gpus] == [(uuid_of(0), "NVIDIA X0")]
    assert states(observed) == {uuid_of(0): "failed"}
    assert "RmInitAdapter" in observed.reports[0].reason
    assert observed.reports[0].sampled_monotonic_seconds == 0.0


def test_a_gpu_is_lost_in_between(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """nvidia-smi stops at a lost GPU: the others are asked for by address, and the lost one keeps its last reading."""
    smi.answer("-q -x", log_xml(gpu_xml(0), gpu_xml(1), gpu_xml(2)))
    first = source.observe(WAIT_S)
    last = report_of(first, 1)
    smi.answer("-q -x", LOST, status=15)
    smi.answer("-q -x -i 0000:01:00.0,0000:03:00.0", log_xml(gpu_xml(0), gpu_xml(2, temperature="55 C"), attached=3))
    while states(observed := source.observe(WAIT_S))[uuid_of(1)] == "ok":
        pass
    assert states(observed) == {uuid_of(0): "ok", uuid_of(1): "lost", uuid_of(2): "ok"}
    assert report_of(observed, 2).reading.temperature_celsius == 55.0
    lost = report_of(observed, 1)
    assert (lost.reading, lost.sampled_monotonic_seconds) == (last.reading, last.sampled_monotonic_seconds)
    assert "Reboot the system" in lost.reason
    assert observed.gpus == first.gpus
    assert observed.generation == first.generation
    assert source.status().state == "ok"


def test_a_gpu_was_lost_before(smi: FakeNvidiaSmi, source: SmiSource, tmp_path: Path) -> None:
    """With a GPU lost from the start the others are known by the kernel module, and indices by -L."""
    seen_by_module(tmp_path, 0, 1, 2)
    smi.answer("-q -x", stderr=LOST, status=15)
    smi.answer("-q -x -i 0000:01:00.0,0000:03:00.0", log_xml(gpu_xml(0), gpu_xml(2), attached=3))
    smi.answer("-L", f"GPU 0: X (UUID: {uuid_of(0)})\n{LOST}\nGPU 2: X (UUID: {uuid_of(2)})\n")
    observed = source.observe(WAIT_S)
    assert states(observed) == {uuid_of(0): "ok", uuid_of(1): "lost", uuid_of(2): "ok"}
    assert {gpu.uuid: gpu.index for gpu in observed.gpus} == {uuid_of(0): 0, uuid_of(1): None, uuid_of(2): 2}


def test_a_gpu_that_is_only_counted(smi: FakeNvidiaSmi, source: SmiSource, tmp_path: Path) -> None:
    """A GPU that nvidia-smi counts and says nothing of has failed: the kernel module says who it is, and -L where."""
    seen_by_module(tmp_path, 0, 1, 2)
    smi.answer("-q -x", log_xml(gpu_xml(0), gpu_xml(2), attached=3))
    smi.answer("-L", f"GPU 0: X (UUID: {uuid_of(0)})\nGPU 2: X (UUID: {uuid_of(2)})\n")
    observed = source.observe(WAIT_S)
    assert states(observed) == {uuid_of(0): "ok", uuid_of(1): "failed", uuid_of(2): "ok"}
    assert {gpu.uuid: gpu.index for gpu in observed.gpus} == {uuid_of(0): 0, uuid_of(1): 1, uuid_of(2): 2}
    assert "tells nothing of it" in report_of(observed, 1).reason


def test_gpus_that_are_only_counted_and_nobody_knows(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """Of such GPUs there is a row each also where neither the kernel module nor -L says which they are."""
    smi.answer("-q -x", log_xml(gpu_xml(0), attached=3))
    observed = source.observe(WAIT_S)
    assert states(observed) == {uuid_of(0): "ok", "unopened-0": "failed", "unopened-1": "failed"}
    assert {gpu.uuid: gpu.index for gpu in observed.gpus} == {uuid_of(0): None, "unopened-0": None, "unopened-1": None}


def test_a_lost_gpu_and_no_way_around(smi: FakeNvidiaSmi, source: SmiSource, tmp_path: Path) -> None:
    """Where the others cannot be asked for by address they failed, and are not called lost."""
    seen_by_module(tmp_path, 0, 1)
    smi.answer("-q -x", LOST, status=15)
    observed = source.observe(WAIT_S)
    assert states(observed) == {uuid_of(0): "failed", uuid_of(1): "lost"}
    assert "stops at another GPU" in report_of(observed, 0).reason


def test_the_only_gpu_is_lost(smi: FakeNvidiaSmi, source: SmiSource) -> None:
    """A lost GPU of which nothing was ever known is there, with its address for a UUID."""
    smi.all_answers(LOST, 15)
    observed = source.observe(WAIT_S)
    assert [(gpu.uuid, gpu.pci_address) for gpu in observed.gpus] == [("0000:02:00.0", "0000:02:00.0")]
    assert states(observed) == {"0000:02:00.0": "lost"}
