"""Counts of errors and bad pages of one GPU."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.error_counts import ErrorCounts
from nodescope.host import Host
from tests.devices.amd.amd_node import BROKEN

PAGE = b"0x%08x : 0x00001000 : %c\n"


def counts_of(root: Path, files: dict[str, bytes]) -> tuple[ErrorCounts, DeviceFiles]:
    (root / "ras").mkdir()
    for name, data in files.items():
        (root / "ras" / name).write_bytes(data)
    read = DeviceFiles(Host(sysfs=str(root)), str(root))
    return ErrorCounts(read), read


def test_blocks_and_pages(tmp_path: Path) -> None:
    """Every block has its errors, and all pages are counted, more than a page of sysfs holds."""
    pages = b"".join(PAGE % (number, ord("P" if number == 9 else "R")) for number in range(300))
    files = {"umc_err_count": b"ue: 1\nce: 2\nde: 3\n", "gfx_err_count": b"ue: 4\nce: 0\n", "gpu_vram_bad_pages": pages}
    counts, _ = counts_of(tmp_path, files)
    counts.learn()
    counts.read()
    assert {(ecc.location, ecc.corrected): ecc.errors for ecc in counts.eccs} == {
        ("gfx", "uncorrected"): 4,
        ("gfx", "corrected"): 0,
        ("umc", "uncorrected"): 1,
        ("umc", "corrected"): 2,
        ("umc", "deferred"): 3,
    }
    assert counts.fields == {
        "ecc_uncorrected_volatile_errors": 5,
        "ecc_corrected_volatile_errors": 2,
        "retired_pages_uncorrected": 299,
        "retired_pages_pending": 1,
    }
    assert counts.driver_fields["ecc_deferred_volatile_errors"] == 3


def test_seldom(tmp_path: Path) -> None:
    """A second reading within the time is none: each count is a request to the firmware."""
    counts, _ = counts_of(tmp_path, {"umc_err_count": b"ue: 1\nce: 2\n"})
    counts.learn()
    counts.read()
    (tmp_path / "ras/umc_err_count").write_bytes(b"ue: 9\nce: 9\n")
    counts.read()
    assert counts.fields["ecc_uncorrected_volatile_errors"] == 1


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Blocks that are inaccessible, refused or nonsense cost themselves; pages that are nonsense are not known."""
    files = {
        "gfx_err_count": b"Query currently inaccessible\n",
        "mmhub_err_count": b"nonsense",
        "umc_err_count": b"ue: 1\nce: 2\n",
        "gpu_vram_bad_pages": b"nonsense",
    }
    counts, files_read = counts_of(tmp_path, files)
    (tmp_path / "ras/sdma_err_count").symlink_to(BROKEN)
    counts.learn()
    counts.read()
    assert {ecc.location for ecc in counts.eccs} == {"umc"}
    assert counts.fields == {"ecc_uncorrected_volatile_errors": 1, "ecc_corrected_volatile_errors": 2}
    assert files_read.left_out == 2
