"""Numbers as the Prometheus text formats spell them.

The shortest digits that parse back to the same float64; exponent form where the decimal exponent is below -4 or at
least 6, with two exponent digits at least. Source: the text format 0.0.4 and what every Go exporter prints.
"""

from __future__ import annotations

from typing import Final

_EXACT: Final = 2**53
_EXPONENT_FROM: Final = 1_000_000
_SPECIAL: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
_EXPONENTS: Final = tuple(f"e+{exponent:02d}" for exponent in range(32))


def number(value: float) -> str:
    """The spelling of a finite or special float64, or of an int (as the float64 it is read as)."""
    if -_EXPONENT_FROM < value < _EXPONENT_FROM:
        if type(value) is int:
            return str(value)
        spelled = repr(float(value))
        if spelled[-2:] == ".0":
            return "0" if value == 0 else spelled[:-2]
        return spelled  # 1e-05: Python's exponent form is the same
    # Most of what is not small is a count: spelled in as few steps as it can be.
    if type(value) is int and 0 < value <= _EXACT:
        whole = str(value)
        digits = whole.rstrip("0")
        point = "." if len(digits) > 1 else ""
        return f"{digits[0]}{point}{digits[1:]}{_EXPONENTS[len(whole) - 1]}"
    return _large(value)


def _large(value: float) -> str:
    """The spelling of any other number: -1234567.5 -> -1.2345675e+06."""
    try:
        spelled = repr(float(value))
    except OverflowError:
        return "+Inf" if value > 0 else "-Inf"
    if spelled in _SPECIAL:
        return _SPECIAL[spelled]
    if "e" in spelled:
        return spelled
    sign, spelled = ("-", spelled[1:]) if spelled[0] == "-" else ("", spelled)
    whole, _, fraction = spelled.partition(".")
    digits = (whole + fraction).rstrip("0")
    point = "." if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}{_EXPONENTS[len(whole) - 1]}"
