"""Rules on a GPU's memory: ECC errors, remapped rows, retired pages."""

from __future__ import annotations

from typing import Final

from nodescope.health.rule import CRITICAL, WARNING, Rule, Unread

_RESET_SOON: Final = "let its jobs end, then {reset_command}"
_REPLACE: Final = "take the GPU out of service and have it replaced"

_REMAPPED: Final = ("remapped_rows_corrected", "remapped_rows_uncorrected", "remapped_rows_pending")
_BUDGET: Final = ("remap_banks_none", "remap_banks_low", "remap_banks_partial", "remap_banks_high", "remap_banks_max")

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "memory",
        "remapped_rows_failure",
        ">=",
        1,
        CRITICAL,
        "a bad row of memory could not be replaced by a spare one",
        _REPLACE,
        (*_REMAPPED, "remap_banks_none"),
    ),
    Rule(
        "memory",
        "memory_unrepairable",
        ">=",
        1,
        CRITICAL,
        "memory has an error that cannot be repaired",
        _REPLACE,
        (*_REMAPPED, "remap_banks_none"),
    ),
    Rule(
        "memory",
        "ecc_uncorrected_last_hour",
        ">=",
        "ecc_uncorrected_last_hour",
        CRITICAL,
        "memory lost data within the last hour; uncorrected ECC errors: {ecc_uncorrected_last_hour}",
        "expect that the job on it was ended; " + _RESET_SOON + ", and have it replaced if the errors come back",
        ("ecc_uncorrected_volatile_errors", "ecc_uncorrected_aggregate_errors", "ecc_uncorrected_locations"),
        topic="ecc_uncorrected",
    ),
    Rule(
        "memory",
        "ecc_uncorrected_volatile_errors",
        ">=",
        "ecc_uncorrected_errors",
        WARNING,
        "memory lost data since the driver was loaded; uncorrected ECC errors: {ecc_uncorrected_volatile_errors}",
        _RESET_SOON + ", and have it replaced if the errors come back",
        ("ecc_uncorrected_aggregate_errors", "ecc_uncorrected_locations"),
        topic="ecc_uncorrected",
    ),
    Rule(
        "memory",
        "remapped_rows_pending",
        ">=",
        1,
        WARNING,
        "a bad row of memory is replaced only when the GPU is reset",
        _RESET_SOON,
        _REMAPPED[:2],
    ),
    Rule(
        "memory",
        "pending_bank_remapping",
        ">=",
        1,
        WARNING,
        "a bad bank of memory is replaced only when the GPU is reset",
        _RESET_SOON,
    ),
    Rule(
        "memory",
        "channel_repair_pending",
        ">=",
        1,
        WARNING,
        "a bad channel of memory is repaired only when the GPU is reset",
        _RESET_SOON,
    ),
    Rule(
        "memory",
        "retired_pages_pending",
        ">=",
        1,
        WARNING,
        "a bad page of memory is retired only when the driver is loaded anew",
        _RESET_SOON,
        ("retired_pages",),
    ),
    Rule(
        "memory",
        "retired_pages",
        ">=",
        "retired_pages",
        WARNING,
        "{retired_pages} pages of memory are retired, of 64 that can be",
        "have the GPU replaced at the next occasion",
        ("retired_pages_corrected", "retired_pages_uncorrected"),
    ),
    Rule(
        "memory",
        "remap_banks_none",
        ">=",
        "remap_banks_none",
        WARNING,
        "banks of memory without a spare row: {remap_banks_none}; the next bad row in one cannot be replaced",
        "have the GPU replaced at the next occasion",
        _BUDGET[1:],
    ),
    Rule(
        "memory",
        "remap_banks_low",
        ">=",
        "remap_banks_low",
        WARNING,
        "banks of memory with hardly a spare row: {remap_banks_low}",
        "nothing now; plan for a replacement if the number grows",
        (_BUDGET[0], *_BUDGET[2:]),
    ),
    Rule(
        "memory",
        "ecc_corrected_per_hour",
        ">=",
        "ecc_corrected_errors_per_hour",
        WARNING,
        "corrected ECC errors keep coming, {ecc_corrected_per_hour} an hour: often a sign of uncorrected ones to come",
        "let no long job start on it; reset it and run a memory test (dcgmi diag -r 3) at the next occasion",
        ("ecc_corrected_last_hour", "ecc_corrected_aggregate_errors", "ecc_corrected_volatile_errors"),
    ),
)
UNREAD: Final[tuple[Unread, ...]] = (
    Unread(
        "memory",
        "remapped_rows_pending",
        "remapped rows cannot be read while the GPU is partitioned (MIG)",
        "nothing; they can be read again when MIG is off",
        "mig_mode",
        1,
    ),
    Unread(
        "memory",
        "ecc_uncorrected_volatile_errors",
        "ECC is on, and its errors could not be read",
        "see nodescope's log for the call that failed",
        "ecc_mode",
        1,
    ),
)
