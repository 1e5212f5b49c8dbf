"""What GPU exporters call the node that they run on."""

from __future__ import annotations

import os
from typing import Final

NODE_NAME: Final = "NODE_NAME"
"""The environment name by which pods are told it, as those exporters have it."""


def node_name() -> str:
    """By the environment, else the host's own name."""
    return os.environ.get(NODE_NAME) or os.uname().nodename
