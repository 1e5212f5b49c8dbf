"""A machine without GPUs, and a source that reads it often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.intel.source import IntelSource
from tests.devices.intel.intel_node import IntelNode
from tests.devices.intel.watching import INTERVAL_S, LIMITS


@pytest.fixture
def node(tmp_path: Path) -> IntelNode:
    return IntelNode(tmp_path)


@pytest.fixture
def source(node: IntelNode) -> Iterator[IntelSource]:
    made = IntelSource(node.host, INTERVAL_S, LIMITS)
    yield made
    made.close()
