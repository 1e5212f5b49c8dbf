"""Which format an Accept header asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.exposition.negotiation import negotiate

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("text/html", "text"),
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        ("application/openmetrics-text", "openmetrics"),
        ("application/openmetrics-text;version=2.0.0", "text"),
        ("application/openmetrics-text;q=0.1, text/plain;q=0.9", "text"),
        ("application/openmetrics-text;q=0", "text"),
        ('APPLICATION/OpenMetrics-Text; Version="1.0.0"', "openmetrics"),
        ("text/plain;version=0.0.4;q=x", "text"),
        ("application/openmetrics-text;q=0.5, text/plain;q=0, */*", "openmetrics"),
        ("*/*, text/plain;q=0.1, application/openmetrics-text;q=0.5", "openmetrics"),
        ("text/*;q=0.9, text/plain;q=0.2, application/openmetrics-text;q=0.5", "openmetrics"),
        ("application/openmetrics-text;q=0.5, text/plain;q=0, text/plain;version=0.0.4;q=0.9", "text"),
        ("*/*;q=0.1, application/openmetrics-text;q=0", "text"),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.5", "text"),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.5", "openmetrics"),
        ("text/plain;q=0.5, */*;q=0.9", "text"),
    ],
)
def test_formats(accept: str, form: str) -> None:
    """The offer with the highest quality, as its most specific range has it, wins, and text is what is left."""
    assert negotiate(accept) == form


@given(st.text(max_size=300))
def test_any_header_gets_a_format(accept: str) -> None:
    """No header, however odd, makes it fail."""
    assert negotiate(accept) in ("text", "openmetrics")
