"""A synthetic GPU server (224 threads, 130 mounts), on which nothing moves, beside Debian's node_exporter."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.samples import of_the_machine
from tools import big_machine, rival
from tools.serving import unused_port

# These do not come from the tree: the clock, netlink, uname(2), statfs(2) and this system's os-release.
NOT_FROM_THE_TREE = re.compile(r"node_(time|network|uname|os|scrape)_.*|node_filesystem_(avail|free|size|files).*")


@pytest.mark.timeout(120)
def test_says_what_node_exporter_says(
    tmp_path: Path,
    program: Callable[..., str],
    agent_process: Callable[..., Any],
    server_process: Callable[..., Any],
    http_get: Callable[..., Any],
) -> None:
    """On a machine that stands still every series of node_exporter is among ours with the very same value."""
    program(rival.PROGRAM)
    try:
        paths = big_machine.make(tmp_path / "big")
    except big_machine.NotHere as reason:
        pytest.skip(str(reason))
    port = unused_port()
    theirs = server_process(rival.command([*rival.FLAGS, *paths], port), port)
    ours = agent_process("exporter", "node", *rival.FLAGS, *paths)
    expected, found = (of_the_machine(http_get(each.port, "/metrics").body) for each in (theirs, ours))
    steady = {key: value for key, value in expected.samples.items() if not NOT_FROM_THE_TREE.fullmatch(key[0])}
    assert len(steady) > 2500
    ours_of_those = {key: found.samples.get(key) for key in steady}
    assert {key: (value, ours_of_those[key]) for key, value in steady.items() if ours_of_those[key] != value} == {}
    failed = [key for key, value in found.samples.items() if key[0] == "node_scrape_collector_success" and value != 1]
    assert failed == []
