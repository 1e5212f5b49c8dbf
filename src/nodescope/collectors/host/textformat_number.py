"""Numbers of the Prometheus text format: as Go's strconv.ParseFloat takes them, without hexadecimal and underscores."""

from __future__ import annotations

import re
from math import inf, isinf, nan
from typing import Final

_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL: Final = {
    b"nan": nan,
    **{sign + word: -inf if sign == b"-" else inf for sign in (b"", b"+", b"-") for word in (b"inf", b"infinity")},
}


def parse_float(raw: bytes) -> float | None:
    """None for what is no number, and for one too large for a float64."""
    if _DECIMAL.fullmatch(raw):
        value = float(raw)
        return None if isinf(value) else value
    return _SPECIAL.get(raw.lower()) if len(raw) <= len(b"+infinity") else None
