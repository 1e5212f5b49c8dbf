"""A gRPC server on a Unix socket, of the reference implementation, that answers with the bytes it is given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

Unary = Callable[[bytes, Any], bytes]
Streaming = Callable[[bytes, Any], Iterable[bytes]]


@contextlib.contextmanager
def serving(
    path: Path, unary: Mapping[str, Unary] | None = None, streaming: Mapping[str, Streaming] | None = None
) -> Iterator[Any]:
    """Serves the methods ("/package.Service/Method") until left. The test is skipped without grpcio."""
    grpc: Any = pytest.importorskip("grpc")
    handlers = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in (unary or {}).items()}
    handlers |= {name: grpc.unary_stream_rpc_method_handler(call) for name, call in (streaming or {}).items()}

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            return handlers.get(details.method)

    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=(Handler(),))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield server
    finally:
        server.stop(0).wait(10)
