"""node_exporter's own end-to-end fixtures, through the whole agent: what it prints there, we print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodescope import collectors

# The values of mounted filesystems are those of the machine that the reference ran on.
HOST_DEPENDENT = r"node_filesystem_(avail|free|size|purgeable)_bytes|node_filesystem_files(_free)?"


def families_of(path: Path) -> list[str]:
    """Names, as regular expressions, of the families that our collectors answer for."""
    by_collector: dict[str, list[str]] = json.loads(path.read_text())
    ours = [family for entry in collectors.TABLE for family in by_collector.get(entry.name, [])]
    return [*ours, "node_filesystem_.*"]


@pytest.mark.parametrize("case", ["default", "default-fs", "include"])
def test_every_series_of_the_reference(
    case: str,
    shared: Path,
    fixture_tree: Path,
    tmp_path: Path,
    agent_process: Callable[..., Any],
    http_get: Callable[..., Any],
) -> None:
    """On the fixture machine every family that our collectors answer for equals the reference's, digit by digit."""
    kit = shared / "conformance/node_exporter"
    flags = (kit / f"expected/{case}.flags").read_text().split()
    agent = agent_process("exporter", "node", *flags, folder=fixture_tree)
    reply = http_get(agent.port, "/metrics")
    assert reply.status == 200, reply.body
    actual = tmp_path / f"{case}.prom"
    actual.write_bytes(reply.body)
    by_collector = kit / "collectors.families.json"
    command: list[str | Path] = [sys.executable, kit / "compare.py", kit / f"expected/{case}.prom", actual]
    command += families_of(by_collector)
    command += ["--e2e", "--strict-help", "--any-value", HOST_DEPENDENT, "--by", by_collector]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print(f"\n{case}: {' '.join(flags)}\n{found.stdout}{found.stderr}")
    assert found.returncode == 0, found.stdout
