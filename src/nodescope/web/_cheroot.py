"""cheroot's server, imported without the modules that only its replaced parts need.

nodescope uses cheroot's server, worker pool and connection, and replaces its parser, socket files, connection manager
and gateway. What only those import costs 8.5 MB of 9.3 (RssAnon and shared pages, CPython 3.11): ssl 4.2,
importlib.metadata 2.1 (asked for cheroot's own version), email 0.9, more_itertools through jaraco.functools 0.9,
_pyio 0.3, ipaddress through urllib.parse 0.4. While cheroot is imported, empty modules stand in for those that are
not there yet; afterwards they are gone, and whoever imports one of these names gets the real one (TLS its ssl).
Import this before other threads run.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from threading import Thread
from types import ModuleType
from typing import Any, Final

VERSION: Final = "11"
"""Of cheroot, as the dependency is pinned; it only shows in a name that is never sent."""


def _stand_ins() -> dict[str, ModuleType | None]:
    metadata = ModuleType("importlib.metadata")
    metadata.version = _version  # type: ignore[attr-defined]
    functools = ModuleType("jaraco.functools")
    functools.pass_none = _unchanged  # type: ignore[attr-defined]
    plain = {name: ModuleType(name) for name in ("email", "email.utils", "urllib", "urllib.parse", "jaraco")}
    # None makes an import fail, which cheroot allows for ssl. io's classes are _pyio's, in C.
    return {"ssl": None, "_pyio": io, "importlib.metadata": metadata, "jaraco.functools": functools, **plain}


def _version(_distribution: str) -> str:
    return VERSION


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _import_lightly() -> None:
    placed = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]
    try:
        import cheroot.server  # noqa: F401
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


_import_lightly()

from cheroot.server import HTTPConnection, HTTPServer  # noqa: E402
from cheroot.workers import threadpool  # noqa: E402

ThreadPool = threadpool.ThreadPool
worker: Callable[[HTTPServer], Thread] = threadpool.WorkerThread
"""Makes a worker thread of a server's pool."""
SHUTDOWN: Final[object] = vars(threadpool)["_SHUTDOWNREQUEST"]
"""What a pool's `get` returns to end the worker that calls it."""

__all__ = ["SHUTDOWN", "HTTPConnection", "HTTPServer", "ThreadPool", "worker"]
