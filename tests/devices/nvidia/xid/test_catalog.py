from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nodescope.devices.nvidia.xid.catalog import CATALOG, entry, severity

SEVERITIES = {"info", "warning", "error", "critical", "subcode", "unknown"}


def test_is_the_collected_one(shared: Path) -> None:
    """Number, class, severity, action and name of every XID are those of the collected catalogue."""
    with (shared / "facts/xid_catalog.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["xid"]) for row in rows] == sorted(CATALOG)
    for row in rows:
        known = entry(int(row["xid"]))
        expected = (row["class"], row["suggested_severity"], row["immediate_action"])
        assert (known.xid_class, known.severity, known.action) == expected, row
        assert known.name == (row["driver_mnemonic"] if row["class"] != "unused" else "")
        assert bool(known.note) == bool(row["notes"])


def test_every_entry_says_something() -> None:
    """Each entry is under its own number, has a summary in one line, and a severity that is one."""
    for xid, known in CATALOG.items():
        assert known.xid == xid
        assert known.summary
        assert known.summary.isprintable()
        assert known.severity in SEVERITIES


@pytest.mark.parametrize("xid", [0, 173, 999, 2**32 - 1])
def test_unknown(xid: int) -> None:
    """What is not in the catalogue is unknown in class, severity and action."""
    known = entry(xid)
    assert (known.xid, known.xid_class, known.severity, known.action) == (xid, "unknown", "unknown", "unknown")


def test_severity_by_subcode() -> None:
    """The line of an NVLink XID says how bad it is; of every other XID the catalogue does."""
    assert severity(149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6)") == "critical"
    assert severity(145, "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2)") == "warning"
    assert severity(145, "") == "subcode"
    assert severity(79, "Nonfatal") == "critical"
