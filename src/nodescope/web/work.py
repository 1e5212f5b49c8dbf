"""A request while it is being answered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodescope.web.head import Head
    from nodescope.web.message import Request


class Work:
    """A request being answered: by the worker that took it or, when that is held up, by another.

    `admitted`: it is within the rate limit and its user may ask.
    """

    __slots__ = ("_answered", "admitted", "head", "request")

    def __init__(self, request: Request, found: Head) -> None:
        self.request = request
        self.head = found
        self.admitted = False
        self._answered = threading.Lock()

    def claim(self) -> bool:
        """Whether the caller is the first that has an answer, and so the one to send it."""
        return self._answered.acquire(blocking=False)
