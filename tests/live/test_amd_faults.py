"""What goes wrong with AMD's GPUs, seen from outside: a whole agent on a tree of eight MI300X and eight HCAs."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.simulate.amd_tree import write_mi300x
from nodescope.simulate.rdma_tree import write_rdma
from tools.serving import Server

SEEN_S: Final = 30.0
POLL_S: Final = 0.1
SICK: Final = "0000:75:00.0"
_LINE: Final = re.compile(r'^hw_gpu_memory_usage_bytes\{.*gpu="(\d+)"', re.MULTILINE)
_STATE: Final = re.compile(r'^nodescope_gpu_state\{.*gpu="(\d+)".*state="(\w+)"', re.MULTILINE)
_INSTANCE: Final = re.compile(r"^hw_gpu_instance_info\{", re.MULTILINE)


class Node:
    """An agent and its tree. Every look at it is a scrape that must be answered."""

    def __init__(self, server: Server, root: Path, get: Callable[..., Any]) -> None:
        self.server = server
        self.root = root
        self._get = get

    def page(self, path: str = "/metrics") -> str:
        body: bytes = self._get(self.server.port, path).body
        return body.decode()

    def states(self) -> dict[int, str]:
        return {int(gpu): state for gpu, state in _STATE.findall(self.page())}

    def read(self) -> set[int]:
        """The GPUs whose memory is told."""
        return {int(gpu) for gpu in _LINE.findall(self.page())}

    def number(self, address: str) -> int:
        gpus = json.loads(self.page("/api/v1/gpus"))["gpus"]
        found: int = next(gpu["identity"]["index"] for gpu in gpus if gpu["identity"]["pci_address"] == address)
        return found

    def waits_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SEEN_S
        while not what():
            assert time.monotonic() < deadline, f"{self.states()} {self.read()}\n{self.server.log}"
            time.sleep(POLL_S)

    def device(self, address: str) -> Path:
        return (self.root / f"sys/bus/pci/devices/{address}").resolve()


@pytest.fixture
def start(agent_process: Callable[..., Server], tmp_path: Path, http_get: Callable[..., Any]) -> Callable[..., Node]:
    """start("--flag"): an agent on the tree that reads GPUs and RDMA devices."""

    def start(*flags: str) -> Node:
        root = tmp_path / "node"
        write_mi300x(root)
        write_rdma(root)
        paths = (f"--path.procfs={root}/proc", f"--path.sysfs={root}/sys", f"--path.rootfs={root}")
        only = ("--collector.disable-defaults", "--collector.gpu", "--collector.gpu_rocm", "--collector.rdma")
        server = agent_process("agent", *only, *paths, "--collector.gpu.interval=200ms", *flags)
        node = Node(server, root, http_get)
        node.waits_for(lambda: len(node.read()) == 8)
        return node

    return start


def test_a_file_that_never_answers(start: Callable[..., Node]) -> None:
    """A stuck file makes its GPU unresponsive; the siblings are read, and it heals when the read returns."""
    node = start()
    sick = node.number(SICK)
    file = node.device(SICK) / "gpu_metrics"
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    node.waits_for(lambda: node.states().get(sick) == "unresponsive")
    assert node.read() >= set(range(8)) - {sick}
    assert {state for gpu, state in node.states().items() if gpu != sick} == {"ok"}
    file.rename(file.with_name("was"))
    file.write_bytes(content)
    os.close(os.open(file.with_name("was"), os.O_RDWR | os.O_NONBLOCK))
    node.waits_for(lambda: set(node.states().values()) == {"ok"} and len(node.read()) == 8)


def test_a_card_that_vanishes(start: Callable[..., Node]) -> None:
    """A GPU that is no longer on the bus has no series; its siblings never notice."""
    node = start()
    place = node.device(SICK)
    for link in [*node.root.glob("sys/class/drm/*"), *node.root.glob("sys/bus/pci/d*/**/*")]:
        if link.is_symlink() and SICK in f"{os.readlink(link)} {link.name}":
            link.unlink()
    shutil.rmtree(place)
    node.waits_for(lambda: len(node.states()) == 7)
    assert set(node.states().values()) == {"ok"}
    node.waits_for(lambda: len(node.read()) == 7)


def test_the_partitions_change(start: Callable[..., Node]) -> None:
    """Partitions that are made while the agent runs appear with their GPUs, which stay what they were."""
    node = start()
    assert not _INSTANCE.findall(node.page())
    uuids = {gpu["identity"]["uuid"] for gpu in json.loads(node.page("/api/v1/gpus"))["gpus"]}
    write_mi300x(node.root, 8, "CPX")
    node.waits_for(lambda: len(_INSTANCE.findall(node.page())) == 64)
    assert {gpu["identity"]["uuid"] for gpu in json.loads(node.page("/api/v1/gpus"))["gpus"]} == uuids


@pytest.mark.parametrize("text", ["time.sleep(3600)", "[sys.stdout.write('x' * 1_000_000) for _ in range(100)]"])
def test_a_tool_that_hangs_or_floods(start: Callable[..., Node], tmp_path: Path, text: str) -> None:
    """An amd-smi that never ends, or prints 100 MB, costs what only it knows; readings and answers go on."""
    tool = tmp_path / "amd-smi"
    tool.write_text(f"#!{sys.executable}\nimport sys, time\n{text}\n")
    tool.chmod(0o755)
    node = start(f"--collector.gpu.amd-smi={tool}", "--collector.gpu.amd-static-interval=1s")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert len(node.read()) == 8
        assert set(node.states().values()) == {"ok"}
    assert len(json.loads(node.page("/gpus"))["data"]) == 8
    status = Path(f"/proc/{node.server.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) < 100_000


def test_nothing_under_dev_is_open(start: Callable[..., Node]) -> None:
    """No device node is held open, of GPUs or of RDMA devices."""
    node = start()
    held = [os.readlink(link) for link in Path(f"/proc/{node.server.pid}/fd").iterdir()]
    assert [path for path in held if re.search(r"/dev/(dri|kfd|infiniband|nvme)", path)] == []
