"""node_exporter's own end-to-end fixtures, through the whole agent: what it prints there, we print."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope import collectors
from tests.reference import CASES, LEFT_OUT, case_files

# The values of mounted filesystems are those of the machine that the reference ran on.
HOST_DEPENDENT: Final = r"node_filesystem_(avail|free|size|purgeable)_bytes|node_filesystem_files(_free)?"
SUCCESS: Final = re.compile(r'node_scrape_collector_success\{collector="(\w+)"\} (\d)')


@pytest.mark.parametrize("case", CASES)
def test_every_series_of_the_reference(
    case: str,
    shared: Path,
    fixture_tree: Path,
    tmp_path: Path,
    agent_process: Callable[..., Any],
    http_get: Callable[..., Any],
) -> None:
    """On the fixture machine all series, types, helps and spellings are the reference's, none is missing or extra."""
    kit = shared / "conformance/node_exporter"
    flags, expected = case_files(kit, fixture_tree, case)
    agent = agent_process("exporter", "node", *flags, folder=fixture_tree)
    reply = http_get(agent.port, "/metrics")
    assert reply.status == 200, reply.body
    actual = tmp_path / f"{case}.prom"
    actual.write_bytes(reply.body)
    by_collector = kit / "collectors.families.json"
    command: list[str | Path] = [sys.executable, kit / "compare.py", expected, actual]
    command += ["--e2e", "--strict-help", "--any-value", HOST_DEPENDENT, "--skip", LEFT_OUT, "--by", by_collector]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print(f"\n{case}: {' '.join(flags)}\n{found.stdout}{found.stderr}")
    assert found.returncode == 0, found.stdout
    theirs = dict(SUCCESS.findall(expected.read_text()))
    ours = dict(SUCCESS.findall(reply.body.decode()))
    assert {name: ours.get(name) for name in theirs if name in collectors.BY_NAME} == {
        name: value for name, value in theirs.items() if name in collectors.BY_NAME
    }
