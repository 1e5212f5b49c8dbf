"""What connections, the front and the workers ask of the server that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ssl
    import threading

    from nodescope.web.counts import Counts
    from nodescope.web.limits import Limits
    from nodescope.web.message import Response
    from nodescope.web.reply import Headers
    from nodescope.web.work import Work


class Pool(Protocol):
    """The workers. `size`: how many there are."""

    @property
    def size(self) -> int: ...

    def grow_by_one(self) -> bool:
        """Starts one more. False where there are enough, or no thread is to be had."""

    def hold_up(self) -> None:
        """The request that a worker has was answered by another thread: a further worker may stand in for it."""

    def come_back(self, thread: threading.Thread) -> bool:
        """A worker that was held up is free again. False where it has been replaced, and is to end."""


class Serving(Protocol):
    """One listener's server."""

    limits: Limits
    counts: Counts

    @property
    def requests(self) -> Pool: ...

    @property
    def context(self) -> ssl.SSLContext | None:
        """Of TLS, as it is in force now; None without."""

    def answer(self, work: Work, again: bool = False) -> tuple[Response, Headers]:
        """The answer to a request, and the header fields that the web config file adds.

        `again`: the request was admitted when it came, and is only handled once more.
        """

    def come_late(self) -> None:
        """The worker that calls has an answer to a request that another has answered."""

    def is_late(self) -> bool:
        """Whether the connection that the calling worker brings back is not its own any more."""

    def put_conn(self, conn: Any) -> None:
        """Takes a connection back from a worker."""
