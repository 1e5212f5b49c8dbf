"""Settings of the REST API."""

from __future__ import annotations

from typing import Final

from nodescope.settings.setting import Setting

API: Final[tuple[Setting, ...]] = (
    Setting(
        "api.envelope",
        "choice",
        "standard",
        "What goes around the answers at /gpus, /rdma and their like where a request does not say: code, data and "
        "message (standard), or meta, data and tracing, with HTTP status 200 for errors too (lens).",
        choices=("standard", "lens"),
    ),
)
