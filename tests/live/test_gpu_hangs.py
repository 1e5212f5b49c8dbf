"""A hang in any call that is made of a GPU: as many GPUs as the fake library has, each with a call of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devices.nvidia.test_supervised_nvml import LIMITS, Node
from tests.fake_nvml import build, called, calls

GPUS = 32
SETTLE_S = 3.0
SEEN_S = 150.0
NEVER_ALONE = frozenset({"nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"})
"""Calls about all GPUs, or before one is known: their hang is that of a start, which has tests of its own."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("fake_nvml"))


@pytest.fixture
def made(tmp_path: Path, library: Path) -> Iterator[Callable[[str], Node]]:
    """made(name): a node with the library, of which nothing is left afterwards."""
    nodes: list[Node] = []

    def made(name: str) -> Node:
        (tmp_path / name).mkdir()
        nodes.append(Node(tmp_path / name, library))
        return nodes[-1]

    yield made
    for node in nodes:
        node.source.close()


def calls_of_gpus(node: Node) -> list[str]:
    """All calls that a sample of a GPU is made of, those that are made seldom too."""
    node.start()
    node.until_well()
    time.sleep(SETTLE_S)
    node.source.close()
    counted = node.folder / "calls"
    return sorted(name for name in called(counted) if name not in NEVER_ALONE and calls(counted, name, gpu=0))


@pytest.mark.timeout(600)
def test_a_hang_in_any_call(made: Callable[[str], Node]) -> None:
    """Whatever call hangs, its GPU says so and the one without a hang never does; all are there, and all heal."""
    names = calls_of_gpus(made("calls"))
    assert len(names) > GPUS
    assert {"nvmlDeviceGetP2PStatus", "nvmlGpmSampleGet", "nvmlDeviceRegisterEvents"} <= set(names)
    for batch in range(0, len(names), GPUS - 1):
        node = made(f"from {batch}")
        sick = dict(enumerate(names[batch : batch + GPUS - 1], 1))
        node.script.set("count", len(sick) + 1)
        for gpu, call in sick.items():
            node.script.hang(call, gpu=gpu)
        node.script.write()
        node.start(LIMITS)
        hung(node, sick)
        for gpu, call in sick.items():
            node.script.no_hang(call, gpu=gpu)
        node.script.write()
        healed(node, len(sick) + 1)
        node.source.close()


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "call", ["nvmlSystemGetConfComputeState", "nvmlGpmSampleAlloc", "nvmlEventSetCreate", "nvmlEventSetWait_v2"]
)
def test_a_hang_that_is_of_no_gpu(made: Callable[[str], Node], call: str) -> None:
    """A call that is of the library and hangs for every GPU is left out of each: all are read, and all heal."""
    node = made("node")
    node.script.hang(call)
    node.script.write()
    node.start(LIMITS)
    read(node, 3)
    node.script.no_hang(call)
    node.script.write()
    healed(node, 3)
    assert all(report.reading.power_milliwatts for report in node.reports().values())


def read(node: Node, count: int) -> None:
    """Waits until all GPUs are read, whatever is left out."""
    deadline = time.monotonic() + SEEN_S
    while len(reports := node.reports()) != count or any(
        report.state != "ok" or report.reading.temperature_celsius is None for report in reports.values()
    ):
        assert time.monotonic() < deadline, {gpu: (one.state, one.reason) for gpu, one in reports.items()}


def hung(node: Node, sick: dict[int, str]) -> None:
    """Waits until each of them has said that its call hangs, and the one that is well has been read."""
    left, well = dict(sick), False
    deadline = time.monotonic() + SEEN_S
    while left or not well:
        assert time.monotonic() < deadline, (left, well, node.states())
        for gpu, report in node.reports().items():
            if report.state == "starting":
                continue
            if gpu == 0:
                assert report.reason == ""
                well = well or report.state == "ok"
            elif gpu is not None and (report.reason or report.busy_call):
                left.pop(gpu, None)


def healed(node: Node, count: int) -> None:
    """Waits until all GPUs are read again, with nothing left out."""
    deadline = time.monotonic() + SEEN_S
    while True:
        reports = node.reports()
        if len(reports) == count and {(one.state, one.reason) for one in reports.values()} == {("ok", "")}:
            return
        assert time.monotonic() < deadline, {gpu: (one.state, one.reason) for gpu, one in reports.items()}
