"""Which exposition a scraper's Accept header asks for. Source: RFC 9110 section 12.5.1."""

from __future__ import annotations

from typing import Final, Literal

Format = Literal["text", "openmetrics"]

MAX_MEDIA_RANGES: Final = 32

_VERSIONS: Final[dict[str, tuple[Format, frozenset[str]]]] = {
    "application/openmetrics-text": ("openmetrics", frozenset({"", "0.0.1", "1.0.0"})),
    "text/plain": ("text", frozenset({"", "0.0.4"})),
    "text/*": ("text", frozenset({""})),
    "*/*": ("text", frozenset({""})),
}


def negotiate(accept: str) -> Format:
    """The format of the media range with the highest quality that we can serve; the first of equals; else text."""
    best: Format = "text"
    best_quality = 0.0
    for media_range in accept.split(",")[:MAX_MEDIA_RANGES]:
        kind, _, rest = media_range.partition(";")
        parameters = _parameters(rest)
        offer = _VERSIONS.get(kind.strip().lower())
        quality = _quality(parameters.get("q", "1"))
        if offer and parameters.get("version", "") in offer[1] and quality > best_quality:
            best, best_quality = offer[0], quality
    return best


def _parameters(text: str) -> dict[str, str]:
    pairs = (parameter.partition("=") for parameter in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
