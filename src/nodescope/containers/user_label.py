"""The user for whom a container was made, as its labels tell.

Source: ds01-infra's labels `ds01.user`, and `aime.mlc.USER` of AIME's machine learning containers. Whoever makes a
container may write any label, so what is no user's name is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

USER_LABELS: Final = ("ds01.user", "aime.mlc.USER")
"""The first of these that names a user counts."""

# At most 64 characters, as systemd bounds names of users; with those of a directory service ("DOM\ada", "ada@dom").
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]{0,63}")


def labelled_user(labels: Mapping[str, str]) -> str | None:
    """The user's name, None where no label has one."""
    told = (labels.get(label, "") for label in USER_LABELS)
    return next((name for name in told if _USER.fullmatch(name)), None)
