"""Labels of the devices of a directory in sysfs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nodescope.kernel.file_name import shown


def by_label(names: Iterable[str], pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    """Label -> name of the directory. `pattern`: what the whole name must be; its group is the label.

    Of names that differ only in bytes that are no text, the first is kept.
    """
    found: dict[str, str] = {}
    for name in names:
        match = pattern.fullmatch(name) if pattern else None
        if pattern is None or match is not None:
            found.setdefault(shown(match[1] if match else name), name)
    return found
