"""Addresses of a kubelet, and the token that it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.containers.kubelet.access import Access, AccessFailed, address, token


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file"),
        (b"", "one token"),
        (b"two words", "one token"),
        (b"a\r\nX: y", "one token"),
        (b"\xff", "one"),
    ],
)
def test_a_token_file_without_a_token(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """A token file that is missing, empty or holds what no header may hold is named, its content is not shown."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AccessFailed, match=expected) as failure:
        token(str(path))
    assert str(path) in str(failure.value)
    assert "words" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0.0.0.0", None),
        ("10.0.0.7", ("10.0.0.7", 10250)),
        ("node-1:443", ("node-1", 443)),
        ("https://10.0.0.7:10250/", ("10.0.0.7", 10250)),
        ("[fd00::7]:10251", ("fd00::7", 10251)),
        ("fd00::7", ("fd00::7", 10250)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int] | None) -> None:
    """Names and addresses are taken with a port and without, and 0.0.0.0 is no address."""
    assert address(text) == expected


@pytest.mark.parametrize("text", ["http://a", "a b", "a:99999", "a:b", "a/pods", "a\r\nX: y", "é\n"])
def test_addresses_that_are_none(text: str) -> None:
    """What is no address is an error that names the setting."""
    with pytest.raises(AccessFailed, match=r"collector\.kubelet\.address"):
        address(text)


def test_urls() -> None:
    """An address of IPv6 stands in brackets in a URL."""
    assert (Access("node-1").url, Access("fd00::7", 443).url) == ("https://node-1:10250", "https://[fd00::7]:443")
