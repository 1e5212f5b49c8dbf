"""What a listener grants its clients."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What one listener grants its clients; times in seconds.

    `again_after_s`: a GET that a worker has had for so long is given to the handler once more, in a thread of its own,
    with `Request.again`; None for never.
    """

    request_timeout_s: float = 10.0
    idle_timeout_s: float = 120.0
    max_connections: int = 512
    workers: int = 8
    again_after_s: float | None = None
