"""What docs/containers.md says of ownership."""

from __future__ import annotations

import re
from pathlib import Path

from nodescope.ownership.granted import STRENGTH

ROOT = Path(__file__).resolve().parents[2]


def test_every_evidence_is_in_the_docs() -> None:
    """The table of evidence has all that there is, the strongest first."""
    section = (ROOT / "docs/containers.md").read_text().partition("## Whose GPU")[2]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == STRENGTH
