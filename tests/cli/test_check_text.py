"""What `nodescope check` prints of verdicts, and with which exit code."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from nodescope.cli.check import LATE
from nodescope.cli.check_text import MAX_PROBLEMS, NO_LINK, part_of_gpus, part_of_links, summary
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from tests.cli.check_verdicts import VALUES, link, source, verdict


def said(
    verdicts: Sequence[GpuHealth], sources: Sequence[GpuSource], reason: str = "", allow_none: bool = False
) -> tuple[str, int]:
    return summary(part_of_gpus(verdicts, sources, reason, allow_none))


def test_all_healthy() -> None:
    """One line says so, with the numbers behind a bar."""
    verdicts = [verdict(number, component) for number in range(8) for component in ("memory", "all")]
    text = "GPU OK - 8 GPUs healthy | gpus=8 ok=8 warning=0 critical=0 unknown=0"
    assert said(verdicts, [source("ok")]) == (text, 0)
    assert said(verdicts[:2], [])[0].startswith("GPU OK - 1 GPU healthy | gpus=1 ")


def test_problems_are_told_worst_first() -> None:
    """The worst GPU gives the exit code; each problem has its reason, what was read and what to do."""
    hot = {"reason": "at 87 C it is hot", "evidence": "temperature_celsius=87", "action": "look at fans"}
    lost = {"reason": "the GPU no longer answers", "action": "reboot it"}
    verdicts = [
        *(verdict(0, "thermal", "warning", **hot), verdict(0, "all", "warning", **hot)),
        *(verdict(1, "device", "critical", **lost), verdict(1, "all", "critical", **lost)),
        *(verdict(2, "device"), verdict(2, "all")),
    ]
    text, code = said(verdicts, [source("ok")])
    assert code == 2
    assert text.splitlines() == [
        "GPU CRITICAL - of 3 GPUs 1 critical, 1 warning, 1 ok | gpus=3 ok=1 warning=1 critical=1 unknown=0",
        "CRITICAL: GPU 1 (0000:11:00.0): device: the GPU no longer answers",
        "    do: reboot it",
        "WARNING: GPU 0 (0000:10:00.0): thermal: at 87 C it is hot",
        "    read: temperature_celsius=87",
        "    do: look at fans",
    ]
    assert said(verdicts[:2], [])[1] == 1


def test_the_same_is_told_once() -> None:
    """What several components or several GPUs have alike is one problem, that names them all."""
    failed = {"reason": "the driver cannot be read", "action": "run nvidia-smi"}
    silent = {"reason": "the GPU gives no readings"}
    verdicts = []
    for number in range(2):
        verdicts += [verdict(number, "driver", "critical", **failed), verdict(number, "all", "critical", **failed)]
        verdicts += [verdict(number, component, "unknown", **silent) for component in ("power", "memory")]
    assert said(verdicts, [])[0].splitlines()[1:] == [
        "CRITICAL: GPU 0 (0000:10:00.0), 1 (0000:11:00.0): driver: the driver cannot be read",
        "    do: run nvidia-smi",
        "UNKNOWN: GPU 0 (0000:10:00.0), 1 (0000:11:00.0): power, memory: the GPU gives no readings",
    ]


def test_what_is_unknown() -> None:
    """A GPU of which nothing is known gives 3, unless another is ill; what merely was not judged is told with 0."""
    unknown = [
        verdict(0, "device", "unknown", reason="not allowed"),
        verdict(0, "all", "unknown", reason="not allowed"),
    ]
    assert said([*unknown, verdict(1, "all")], [])[1] == 3
    assert said([*unknown, verdict(1, "all", "warning")], [])[1] == 1
    text, code = said([verdict(0, "memory", "unknown", reason="MIG is on"), verdict(0, "all")], [])
    assert (code, text.splitlines()[1]) == (0, "UNKNOWN: GPU 0 (0000:10:00.0): memory: MIG is on")


@pytest.mark.parametrize(
    ("sources", "reason", "allow_none", "code", "words"),
    [
        ([], "no GPU on this node: /proc/driver/nvidia/version is not there", False, 3, "no GPU on this node"),
        ([], "no GPU on this node: /proc/driver/nvidia/version is not there", True, 0, "GPU OK - no GPU on this node"),
        ([source("ok")], "", False, 3, "no GPU on this node"),
        ([source("ok")], "", True, 0, "no GPU on this node"),
        ([source("failed", "driver | library\n differ")], "", True, 2, "the driver cannot be read: driver / library"),
        ([source("abandoned")], "", False, 2, "the driver cannot be read: abandoned"),
        ([source("paused", "nodescope pause")], "", True, 3, "the driver is paused: nodescope pause"),
        ([source("starting")], "", False, 3, "the driver is starting"),
        ([], "NoSnapshot: gpu: no sample in the last 3 s", True, 3, "no sample"),
        ([], "", True, 3, "no reading of the GPUs in time"),
    ],
)
def test_without_verdicts(sources: Sequence[GpuSource], reason: str, allow_none: bool, code: int, words: str) -> None:
    """No GPU is unknown, or well where that is allowed; a driver that fails is critical, whatever is allowed."""
    text, found = said([], sources, reason, allow_none)
    assert (found, words in text) == (code, True)
    assert text.startswith(f"GPU {next(state for state, value in VALUES.items() if value == code).upper()} - ")
    assert text.endswith(" | gpus=0")
    assert "\n" not in text


def test_a_driver_that_fails_beside_healthy_gpus_of_another_vendor() -> None:
    """It is critical, though all GPUs that are known are well; its GPUs, which nobody knows, are not counted."""
    amd = GpuHealth(identity=GpuIdentity(vendor="amd", uuid="1"), component="all", state="ok", value=0)
    text, code = said([amd], [source("failed", "Driver Not Loaded")])
    first, second, read, do = text.splitlines()
    assert (code, first) == (
        2,
        "GPU CRITICAL - 1 GPU healthy; nvidia: the driver cannot be read on this node"
        " | gpus=1 ok=1 warning=0 critical=0 unknown=0",
    )
    assert second == "CRITICAL: driver of nvidia: the driver cannot be read on this node"
    assert read == "    read: source_state=failed, source_reason=Driver Not Loaded"
    assert do.startswith("    do: run nvidia-smi")
    assert said([amd], [source("paused")])[1] == 3
    assert said([amd], [source("ok")])[1] == 0


def test_gpus_that_are_not_all() -> None:
    """Where some GPUs were not read in time the others being well is not known to be all; what is ill stays so."""
    text, code = said([verdict(0, "all")], [source("ok")], "no reading of all GPUs in time")
    assert (code, text.partition(" | ")[0]) == (3, "GPU UNKNOWN - 1 GPU healthy; no reading of all GPUs in time")
    assert said([verdict(0, "all", "warning")], [source("ok")], "no reading of all GPUs in time")[1] == 1


def test_text_of_the_driver_cannot_break_a_line() -> None:
    """Line ends, bars and bytes of no text in reasons are replaced, and a great many problems are counted."""
    odd = verdict(0, "device", "critical", reason="a\nb|c\udc80\x00", action="é")
    lines = said([odd, verdict(0, "all", "critical")], [])[0].splitlines()
    assert lines[1:] == ["CRITICAL: GPU 0 (0000:10:00.0): device: a b/c\\udc80 ", "    do: \\xe9"]
    many = [verdict(0, f"c{number}", "warning", reason=f"reason {number}") for number in range(MAX_PROBLEMS + 3)]
    lines = said([*many, verdict(0, "all", "warning")], [])[0].splitlines()
    assert (len(lines), lines[-1]) == (MAX_PROBLEMS + 2, "and 3 more")
    anonymous = msgspec.structs.replace(odd, identity=GpuIdentity(vendor="nvidia", uuid="GPU-x"))
    assert "GPU GPU-x (GPU-x): device" in said([anonymous, verdict(0, "all", "critical")], [])[0]


def test_links_beside_gpus() -> None:
    """With links the state is that of the worst of both, and their numbers have names of their own."""
    down = {"reason": "the port is down", "evidence": "state=DOWN", "action": "look at the cable"}
    gpus = part_of_gpus([verdict(0, "memory", "warning", reason="a bad row"), verdict(0, "all", "warning")], [])
    links = [link("rdma", f"mlx5_{number}/1", "critical", **down) for number in range(2)]
    more = [link("nvme", "nvme0"), link("pcie", "0000:18:00.0", "unknown", reason="not read")]
    text, code = summary(gpus, part_of_links([*links, *more]))
    assert code == 2
    assert text.splitlines() == [
        "NODE CRITICAL - of 1 GPU 1 warning; of 4 other devices 2 critical, 1 unknown, 1 ok"
        " | gpus=1 ok=0 warning=1 critical=0 unknown=0 links=4 links_ok=1 links_warning=0 links_critical=2"
        " links_unknown=1",
        "CRITICAL: RDMA port mlx5_0/1, mlx5_1/1: the port is down",
        "    read: state=DOWN",
        "    do: look at the cable",
        "WARNING: GPU 0 (0000:10:00.0): memory: a bad row",
        "UNKNOWN: PCIe device 0000:18:00.0: not read",
    ]
    healthy = part_of_gpus([verdict(0, "all")], [])
    assert summary(healthy, part_of_links(more[:1]))[0].startswith("NODE OK - 1 GPU healthy; 1 other device healthy | ")


@pytest.mark.parametrize(
    ("reason", "allow_none", "state", "headline"),
    [("", False, "unknown", NO_LINK), ("", True, "ok", NO_LINK), (LATE, True, "unknown", LATE)],
)
def test_without_links(reason: str, allow_none: bool, state: str, headline: str) -> None:
    """No such device is unknown, or well where that is allowed; no reading never is."""
    assert part_of_links([], reason, allow_none) == (state, headline, "links=0", ())
