"""The landing page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from nodescope.web.landing import page

ROUTES = [("/metrics", ("GET", "HEAD"), "Metrics."), ("/-/reload", ("POST",), "Reads <settings> & more.")]


def test_routes_are_listed_and_those_that_can_be_read_are_links() -> None:
    """Each route is there with its sentence; only what takes GET is a link."""
    html = page("nodescope", "1.2.3", "node", ROUTES).body.decode()
    assert '<a href="./metrics">/metrics</a>' in html
    assert 'href="./-/reload"' not in html
    assert "Reads &lt;settings&gt; &amp; more." in html
    assert "version 1.2.3, role node" in html


def test_text_cannot_become_markup() -> None:
    """Whatever title, version, role and paths hold, it is shown and never read as HTML."""
    evil = "<script>alert('1')</script>\"{x}"
    html = page(evil, evil, evil, [(evil, ("GET",), evil)]).body.decode()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#39;1&#39;)") == 7


def test_nothing_comes_from_elsewhere() -> None:
    """The page asks for no other resource, and its headers forbid any."""
    response = page("nodescope", "1", "node", ROUTES)
    html = response.body.decode()
    assert not re.search(r"src=|@import|url\(|<link|<script|https?:", html)
    assert dict(response.headers)["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_page_is_well_formed() -> None:
    """Every element that is opened is closed, in order."""
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(page("nodescope", "1", "node", ROUTES).body.decode())
    assert open_tags == []
