"""gzip for those who ask for it.

Source: RFC 9110, 12.5.3 (Accept-Encoding) and 12.4.2 (quality values); RFC 1952 (gzip).
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Final

from nodescope.web.message import Request, Response

MIN_BYTES: Final = 1024
LEVEL: Final = 1
"""Measured on 730 KB of metrics: 2.9 ms, where level 6 takes 7.6."""

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
MEMORY_LEVEL: Final = 6
"""As fast and as small as the default of 8 on large texts, and a fifth faster on small ones when memory is cold."""

_QUALITY: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def compressed(request: Request, response: Response, depends_on: str = "Accept-Encoding") -> Response:
    """`response`, in gzip where that is worth it and `request` accepts it. `depends_on`: its fields that decide."""
    headers = (*response.headers, ("Vary", depends_on))
    body = response.body
    if len(body) > MIN_BYTES and accepts_gzip(request.header("accept-encoding") or ""):
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_WINDOW, MEMORY_LEVEL)
        body = packer.compress(body) + packer.flush()
        headers = (*headers, ("Content-Encoding", "gzip"))
    return Response(response.status, body, response.content_type, headers)


@lru_cache(maxsize=32)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is accepted, and preferred to an unpacked body where that is named or meant by * too."""
    qualities: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, number = parameter.partition("=")
        quality = number.strip() if name.strip() == "q" else "1"
        if _QUALITY.fullmatch(quality):
            qualities[coding.strip()] = float(quality)
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", qualities.get("*", 0.0))
