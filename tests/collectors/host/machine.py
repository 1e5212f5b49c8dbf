"""A machine made of files, its collectors, and bytes that no kernel should ever print."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from nodescope import collectors
from nodescope.collector import Collector
from nodescope.configuration import load
from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family

ODD_WORDS = [
    b"", b"-", b"-1", b"+1", b"1_000", b"nan", b"inf", b"1e400", b"0x10", b"010", b"0", b"1.5", b":", b"=", b"kB",
    b"cpu", b"18446744073709551615", b"18446744073709551616", b"9" * 5000, b"\xff\xfe", b"\0", b"\\040", b'"', b"'",
    b"\n", b" \t",
]  # fmt: skip


class Machine:
    """Folders proc, sys, udev and root below `folder`, as a host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("proc", "sys", "udev", "root"):
            (folder / name).mkdir()
        self.host = Host(*(str(folder / name) for name in ("proc", "sys", "root", "udev")))

    def write(self, path: str, content: str | bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def remove(self, path: str) -> None:
        file = self.folder / path
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink()

    def build(self, name: str, settings: dict[str, Any] | None = None) -> Collector:
        """The collector `name`; settings by key, without the leading `collector.NAME.`."""
        flags = {f"collector.{name}.{key}": value for key, value in (settings or {}).items()}
        return collectors.build(name, self.host, load(flags, {}))


class OneFile(Host):
    """A host on which every file that is kept open holds `data`, or cannot be read."""

    data: bytes | OSError = b""

    def read(self, path: str, at_once: bool = False, built_in: bool = False, record_bytes: int = 0) -> bytes:
        if isinstance(self.data, OSError):
            raise self.data
        return self.data


def series(families: Iterable[Family]) -> dict[str, float]:
    """name{label="value",...} -> number, in the order given; labels without their values' escapes."""
    found: dict[str, float] = {}
    for metric, rows in families:
        for values, number in rows:
            inside = ",".join(f'{name}="{value}"' for name, value in zip(metric.label_names, values, strict=True))
            found[f"{metric.name}{{{inside}}}" if inside else metric.name] = number
    return found


def mangled(sample: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and `sample` cut short, with words exchanged, or with bytes overwritten."""
    words = sample.split(b" ")
    word = st.sampled_from(ODD_WORDS) | st.binary(max_size=8)
    exchanged = st.lists(st.tuples(st.integers(0, len(words) - 1), word), min_size=1, max_size=5).map(
        lambda changes: b" ".join(dict(changes).get(index, word) for index, word in enumerate(words))
    )
    overwritten = st.tuples(st.integers(0, len(sample)), st.binary(max_size=8)).map(
        lambda change: sample[: change[0]] + change[1] + sample[change[0] + len(change[1]) :]
    )
    return st.binary() | st.integers(0, len(sample)).map(lambda end: sample[:end]) | exchanged | overwritten


def parses_or_refuses(parse: Callable[[], object]) -> None:
    """Fails for every exception but those that say that the source is not there, or not what it should be."""
    with contextlib.suppress(Malformed, Absent):
        parse()
