"""Which exposition a scraper's Accept header asks for. Source: RFC 9110 section 12.5.1."""

from __future__ import annotations

from typing import Final, Literal

Format = Literal["text", "openmetrics"]

MAX_MEDIA_RANGES: Final = 32

_VERSIONS: Final[dict[str, tuple[Format, int, frozenset[str]]]] = {
    "application/openmetrics-text": ("openmetrics", 2, frozenset({"", "0.0.1", "1.0.0"})),
    "text/plain": ("text", 2, frozenset({"", "0.0.4"})),
    "text/*": ("text", 1, frozenset({""})),
    "*/*": ("text", 0, frozenset({""})),
}
"""Media ranges: what they ask for, how specific they are, and in which versions. OpenMetrics has to be named."""


def negotiate(accept: str) -> Format:
    """The format with the highest quality, which its most specific range tells; the first of equals; else text."""
    asked: dict[Format, tuple[int, float, int]] = {}
    for position, media_range in enumerate(accept.split(",")[:MAX_MEDIA_RANGES]):
        kind, _, rest = media_range.partition(";")
        parameters = _parameters(rest)
        offer = _VERSIONS.get(kind.strip().lower())
        if offer and parameters.get("version", "") in offer[2]:
            found = (offer[1], _quality(parameters.get("q", "1")), -position)
            asked[offer[0]] = max(found, asked.get(offer[0], found))
    wanted = {name: (quality, order) for name, (_, quality, order) in asked.items() if quality > 0}
    return max(wanted, key=lambda name: wanted[name], default="text")


def _parameters(text: str) -> dict[str, str]:
    pairs = (parameter.partition("=") for parameter in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
