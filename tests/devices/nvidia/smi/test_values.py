from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.smi.values import FLOATS, SIGNED, UNITS, WORDS, Decoder, known

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("81559 MiB", "bytes", 81559 * MIB), ("0 MiB", "bytes", 0), ("2 GiB", "bytes", 2048 * MIB), ("7 B", "bytes", 7),
        ("139.62 W", "milliwatts", 139_620), ("0.07 W", "milliwatts", 70), ("5 mW", "milliwatts", 5),
        ("38 %", "percent", 38.0), ("100.00%", "percent", 100.0), ("-8 C", "celsius", -8.0), ("0 C", "celsius", 0.0),
        ("0 MHz", "megahertz", 0), ("1 GHz", "megahertz", 1000), ("16x", "lanes", 16), ("5", "generation", 5),
        ("14742333 KB/s", "kilobytes_per_second", 14_742_333.0), ("2 MB/s", "kilobytes_per_second", 2000.0),
        ("15820333506 us", "nanoseconds", 15_820_333_506_000), ("192 bank(s)", "banks", 192), ("3", "count", 3),
        ("9007199254740993", "count", 9_007_199_254_740_993), ("P12", "performance_state", 12),
        ("Enabled", "enabled", 1), ("Disabled", "enabled", 0), ("No", "yes", 0), ("Not Active", "active", 0),
        ("Exclusive_Process", "compute_mode", 3), ("None", "recovery_action", 0), ("Reset", "recovery_action", 1),
        ("Drain and Reset", "recovery_action", 4), ("In Progress", "fabric_state", 2),
        ("None", "incorrect_configuration", 1),
        ("Licensed (Expiry: 2027-1-1 0:0:0 GMT)", "license", 1), ("Unlicensed (Restricted)", "license", 0),
    ],
)  # fmt: skip
def test_known_values(raw: str, kind: str, value: float) -> None:
    """A value in any unit that it may have is that many of the record's, as an int where the record has an int."""
    decoder = Decoder()
    found = decoder.value(raw, kind)
    assert found == value
    assert isinstance(found, float if kind in FLOATS else int)
    assert decoder.left_out == 0


@pytest.mark.parametrize(
    "raw", [None, "", "N/A", "[N/A]", "None", "[Not Supported]", "Requested functionality has been deprecated",
            "[Requested functionality has been deprecated]", "Not available in WDDM driver model"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["bytes", "milliwatts", "percent", "celsius", "count", "enabled", "performance_state"])
def test_what_a_device_does_not_have(raw: str | None, kind: str) -> None:
    """It is absent, never 0, and not counted."""
    decoder = Decoder()
    assert decoder.value(raw, kind) is None
    assert decoder.left_out == 0


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("Unknown Error", "celsius"), ("[Unknown Error]", "percent"), ("ERR!", "percent"), ("GPU is lost", "bytes"),
        ("[GPU requires reset]", "celsius"), ("Insufficient Permissions", "bytes"), ("40 F", "celsius"),
        ("40", "celsius"),
        ("40 C C", "celsius"), ("1 MB", "bytes"), ("-1 MiB", "bytes"), ("-3", "count"), ("1,000", "count"),
        ("0x10", "count"),
        ("1e3 W", "milliwatts"), ("nan W", "milliwatts"), ("\u0663 %", "percent"), ("P99", "performance_state"),
        ("maybe", "enabled"), ("4 KB", "kilobytes_per_second"), ("123456789012345678901234567890", "count"),
    ],
)  # fmt: skip
def test_what_could_not_be_had_or_understood(raw: str, kind: str) -> None:
    """An error, another unit or another word is absent, never 0, and counted."""
    decoder = Decoder()
    assert decoder.value(raw, kind) is None
    assert decoder.left_out == 1


@given(st.text(max_size=60), st.sampled_from([*UNITS, *WORDS, "license"]))
def test_any_text(raw: str, kind: str) -> None:
    """Whatever is written, there is a number in range or none."""
    found = Decoder().value(raw, kind)
    assert found is None or found >= 0 or kind in SIGNED


COUNTED = [(kind, unit) for kind, units in UNITS.items() if kind not in FLOATS for unit in units]


@given(st.integers(0, 10**15), st.sampled_from(COUNTED))
def test_any_number_in_any_unit(number: int, where: tuple[str, str]) -> None:
    """A whole number of any unit is exact, however great, where the record has an int."""
    kind, unit = where
    assert Decoder().value(f"{number} {unit}".strip(), kind) == number * UNITS[kind][unit]


def test_names() -> None:
    """A name is as it is written, and absent where an error or nothing is in its place."""
    assert known("NVIDIA H200") == "NVIDIA H200"
    assert [known(raw) for raw in (None, "", "N/A", "[N/A]", "Unknown Error", "GPU is lost")] == [None] * 6
