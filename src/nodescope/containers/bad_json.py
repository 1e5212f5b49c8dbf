"""What decoding the JSON of runtimes and kubelets raises."""

from __future__ import annotations

from typing import Final

import msgspec

import nodescope._msgspec  # noqa: F401

BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Bytes that are no JSON, or of another type than was expected; that are no UTF-8; that are nested too deeply."""
