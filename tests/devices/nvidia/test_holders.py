"""Who holds the driver is seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.nvidia.holders import CHILD_MODULE, agents, holders, is_agent
from nodescope.host import Host

HOLDING = """
import mmap, os, sys
file = open(sys.argv[1], "rb")
held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if sys.argv[2] == "map" else None
if sys.argv[2] != "open": file.close()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that looks like a GPU child and maps a library."""
    library = tmp_path / "libnvidia-ml.so.1"
    library.write_bytes(b"x" * 4096)
    argv = [sys.executable, "-c", HOLDING, str(library), request.param, "-m", CHILD_MODULE, "{}"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.communicate()


@pytest.mark.parametrize(("child", "what"), [("map", "the driver's library"), ("none", "")], indirect=["child"])
def test_a_child_is_found_with_what_it_holds(child: subprocess.Popen[str], what: str) -> None:
    """A process that runs the child's module is found, and whether it maps the driver's library."""
    assert (child.pid, what) in holders(Host())
    child.communicate()
    assert child.pid not in [holder.pid for holder in holders(Host())]


class Tree:
    """A stored /proc."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = Host(procfs=str(folder))

    def process(self, pid: int, *words: str, fds: dict[str, str] | None = None) -> Path:
        place = self.folder / str(pid)
        (place / "fd").mkdir(parents=True)
        (place / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
        (place / "maps").write_bytes(b"7f00-7f01 r-xp 0 08:01 5 /usr/lib/libc.so.6\n")
        for name, target in (fds or {}).items():
            (place / "fd" / name).symlink_to(target)
        return place


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_device_nodes_are_seen(tree: Tree) -> None:
    """A child that has a device node open is said to hold that; other processes are not looked into."""
    tree.process(10, "/usr/bin/python3", "-B", "-m", CHILD_MODULE, "{}", fds={"0": "/dev/null", "7": "/dev/nvidia0"})
    tree.process(11, "/usr/bin/python3", "-m", CHILD_MODULE, "{}", fds={"0": "/dev/null"})
    tree.process(12, "/usr/bin/train", fds={"7": "/dev/nvidia0"})
    tree.process(13)
    (tree.folder / "self").mkdir()
    assert holders(tree.host) == [(10, "/dev/nvidia0"), (11, "")]


def test_tools_of_an_agent_are_seen(tree: Tree) -> None:
    """A tool that an agent runs is one of those that hold the driver; one that somebody else runs is not."""
    tree.process(5, "/usr/bin/python3", "/usr/bin/nodescope", "agent")
    smi = tree.process(20, "/usr/bin/nvidia-smi", "-q", "-x", fds={"3": "/dev/nvidiactl"})
    (smi / "stat").write_bytes(b"20 (nvidia-smi) R 5 20 20 0")
    rocm = tree.process(21, "python3", "/opt/rocm/bin/rocm-smi", "--json")
    (rocm / "stat").write_bytes(b"21 (a) R 9) S 5 21 21 0")
    for pid, stat in ((22, b"22 (nvidia-smi) R 1 22 22 0"), (23, b"23 (nvidia-smi"), (24, None)):
        place = tree.process(pid, "nvidia-smi", "-q")
        if stat is not None:
            (place / "stat").write_bytes(stat)
    assert sorted(holders(tree.host)) == [(20, "/dev/nvidiactl"), (21, "")]


def test_one_that_ends_meanwhile_holds_nothing(tree: Tree) -> None:
    """A child whose files vanish while they are read is as good as gone."""
    place = tree.process(10, "/usr/bin/python3", "-m", CHILD_MODULE, "{}")
    (place / "maps").unlink()
    assert holders(tree.host) == [(10, "")]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/usr/bin/python3 /usr/bin/nodescope agent --log.level=debug", True),
        ("/opt/python -B -m nodescope exporter node", True),
        ("/usr/bin/nodescope agent", True),
        ("/usr/bin/python3 /usr/bin/prometheus-node-exporter --collector.cpu", True),
        ("/usr/bin/node_exporter --collector.cpu", False),
        ("/usr/bin/python3 /usr/bin/nodescope metrics", False),
        ("/usr/bin/python3 /usr/bin/nodescope pause gpu", False),
        (f"/usr/bin/python3 -m {CHILD_MODULE}", False),
        ("nodescope", False),
        ("", False),
    ],
)
def test_an_agent_is_known_by_its_command_line(tree: Tree, command: str, expected: bool) -> None:
    """Agents and exporters, however they are started, and no other command."""
    assert is_agent(command.split()) is expected
    tree.process(10, *command.split())
    assert agents(tree.host) == ([10] if expected else [])
