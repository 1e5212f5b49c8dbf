"""The fake kubelet and its certificates."""

from __future__ import annotations

from tests.containers.kubelet.conftest import cluster, start

__all__ = ["cluster", "start"]
