"""The landing page: what is served here, on one small page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.web.message import Response

HTML: Final = "text/html; charset=utf-8"

_HEADERS: Final = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
)
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --ink: #1b2430; --dim: #5b6675; --paper: #fff; --line: #dde2e8; --link: #0b62c4 }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e5e9ee; --dim: #9aa5b3; --paper: #12161b; --line: #2b333d; --link: #7db7ff }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem }}
h1 {{ font-size: 1.5rem; margin: 0 }}
p {{ color: var(--dim); margin: .25rem 0 2rem }}
dl {{ display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; margin: 0 }}
dt, dd {{ margin: 0; padding: .55rem 0; border-top: 1px solid var(--line) }}
dt {{ padding-right: 1.5rem; font-family: ui-monospace, monospace; font-size: .95em }}
a {{ color: var(--link) }}
@media (max-width: 34rem) {{ dl {{ display: block }} dd {{ border: 0; padding-top: 0 }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>version {version}, role {role}</p>
<dl>
{rows}
</dl>
</body>
</html>
"""


def page(title: str, version: str, role: str, routes: Iterable[tuple[str, tuple[str, ...], str]]) -> Response:
    """`routes`: path, methods and help of each; those that can be read are links."""
    rows = "\n".join(_row(path, methods, sentence) for path, methods, sentence in routes)
    html = _PAGE.format(title=_escaped(title), version=_escaped(version), role=_escaped(role), rows=rows)
    return Response(200, html.encode(), HTML, _HEADERS)


def _row(path: str, methods: tuple[str, ...], sentence: str) -> str:
    shown = _escaped(path)
    # Relative, for a proxy that serves this page under a prefix.
    name = f'<a href=".{shown}">{shown}</a>' if "GET" in methods else shown
    return f"<dt>{name}</dt><dd>{_escaped(sentence)}</dd>"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
