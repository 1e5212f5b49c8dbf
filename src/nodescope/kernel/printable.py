"""Text of devices, drivers and processes, as a line of a log or a label can have it."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with a question mark for each character that cannot be shown, ends of lines among them."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)
