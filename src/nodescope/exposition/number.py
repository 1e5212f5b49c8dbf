"""Numbers as the Prometheus text formats spell them.

The shortest digits that parse back to the same float64; exponent form where the decimal exponent is below -4 or at
least 6, with two exponent digits at least. Source: the text format 0.0.4 and what every Go exporter prints.
"""

from __future__ import annotations

from typing import Final

_EXACT: Final = 2**53
_EXPONENT_FROM: Final = 1_000_000
_EXPONENTS: Final = tuple(f"e+{exponent:02d}" for exponent in range(32))


def number(value: float) -> str:
    """The spelling of a finite or special float64, or of an int (as the float64 it is read as)."""
    if type(value) is int:
        if -_EXPONENT_FROM < value < _EXPONENT_FROM:
            return str(value)
        if -_EXACT <= value <= _EXACT:
            return _scientific(str(value))
        try:
            value = float(value)
        except OverflowError:
            return "+Inf" if value > 0 else "-Inf"
    if -_EXPONENT_FROM < value < _EXPONENT_FROM:
        spelled = repr(float(value))
        if spelled[-2:] == ".0":
            return "0" if value == 0 else spelled[:-2]
        return spelled  # 1e-05: Python's exponent form is the same
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    spelled = repr(float(value))
    if "e" in spelled:
        return spelled
    whole, _, fraction = spelled.partition(".")
    return _scientific(whole, "" if fraction == "0" else fraction)


def _scientific(whole: str, fraction: str = "") -> str:
    """1234567 -> 1.234567e+06. `whole` has seven digits at least."""
    if whole[0] == "-":
        return "-" + _scientific(whole[1:], fraction)
    digits = (whole + fraction).rstrip("0")
    if len(digits) == 1:
        return digits + _EXPONENTS[len(whole) - 1]
    return digits[0] + "." + digits[1:] + _EXPONENTS[len(whole) - 1]
