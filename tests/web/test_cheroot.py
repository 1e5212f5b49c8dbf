"""The light import of cheroot."""

from __future__ import annotations

import subprocess
import sys

LIGHT = """
import sys
import nodescope.web.server
heavy = {"ssl", "_ssl", "email", "email.utils", "importlib.metadata", "more_itertools", "_pyio", "jaraco.functools"}
print(sorted(heavy & set(sys.modules)))
import email.utils, importlib.metadata, ssl, urllib.parse, _pyio
from jaraco.functools import pass_none
print(email.utils.formatdate(0), importlib.metadata.version("msgspec") != "", ssl.SSLContext.__name__,
      urllib.parse.quote(" "), _pyio.BytesIO.__module__, pass_none(len)(None))
"""

LATE = """
import email.utils, importlib.metadata, ssl, urllib.parse, jaraco.functools, _pyio
before = [email.utils, importlib.metadata, ssl, urllib.parse, jaraco.functools, _pyio]
import nodescope.web.server
import sys
print(all(sys.modules[module.__name__] is module for module in before))
"""


def run(code: str) -> list[str]:
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return found.stdout.splitlines()


def test_what_only_replaced_parts_need_is_not_imported() -> None:
    """A plain server costs none of the heavy modules, and each is its real self for whoever imports it later."""
    assert run(LIGHT) == ["[]", "Thu, 01 Jan 1970 00:00:00 -0000 True SSLContext %20 _pyio None"]


def test_what_is_imported_already_stays() -> None:
    """Modules that were there before are the same afterwards."""
    assert run(LATE) == ["True"]
