"""Log lines."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.logs import JsonFormatter, TextFormatter, configure


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("nodescope.runner", logging.WARNING, "", 0, message, (), None)
    made.created = 1_700_000_000.25
    made.fields = fields
    return made


def test_text_is_key_value_and_quotes_what_is_not_a_word() -> None:
    """One line of key=value pairs; a value with spaces, quotes or newlines is quoted."""
    line = TextFormatter().format(record("it failed", collector="cpu", reason='a "b"\nx=y'))
    assert line == (
        'time=2023-11-14T22:13:20.250Z level=warn source=runner msg="it failed" collector=cpu reason="a \\"b\\"\\nx=y"'
    )


def test_json_is_one_object() -> None:
    """The same fields as a JSON object."""
    assert json.loads(JsonFormatter().format(record("x", collector="cpu"))) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "warn",
        "source": "runner",
        "msg": "x",
        "collector": "cpu",
    }


@given(st.text(max_size=100))
def test_no_text_can_start_a_line_of_its_own(message: str) -> None:
    """Whatever is logged, it stays on one line, in both forms."""
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record(message, label=message))
        assert len(line.splitlines()) == 1 or not message.isascii()
        assert "\n" not in line
        assert "\r" not in line


@pytest.mark.parametrize("sign", ["\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\U000e0041"])
def test_no_text_can_steer_a_terminal(sign: str) -> None:
    """Signs that steer a terminal, turn text round or end a line for some readers are escaped, and JSON keeps them."""
    text, json_line = (formatter.format(record(f"{sign}[31mx")) for formatter in (TextFormatter(), JsonFormatter()))
    assert text.isprintable()
    assert json_line.isprintable()
    assert json.loads(json_line)["msg"] == f"{sign}[31mx"


def test_errors_are_named_and_traced_only_at_debug() -> None:
    """An exception gives its type and message; its trace comes only with a debug record."""
    try:
        raise ValueError("odd")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    assert TextFormatter().format(made).endswith('error="ValueError: odd"')
    made.levelno = logging.DEBUG
    assert "Traceback" in TextFormatter().format(made)


def test_a_thread_that_dies_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that ends a thread is one line of the log."""

    def die() -> None:
        raise ValueError("odd")

    root = logging.getLogger("nodescope")
    before = (root.handlers[:], root.level, root.propagate, threading.excepthook)
    try:
        configure("info", "text")
        thread = threading.Thread(target=die, name="prober")
        thread.start()
        thread.join(10)
    finally:
        root.handlers[:], root.level, root.propagate, threading.excepthook = before
    assert 'msg="thread prober ended" error="ValueError: odd"' in capsys.readouterr().err


def test_configure_replaces_the_handler_and_sets_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    """Configured twice, a line is written once, from the given level on, to standard error."""
    root = logging.getLogger("nodescope")
    before = (root.handlers[:], root.level, root.propagate, threading.excepthook)
    try:
        configure("debug", "json")
        configure("warn", "text")
        logging.getLogger("nodescope.x").info("quiet")
        root.warning("loud")
    finally:
        root.handlers[:], root.level, root.propagate, threading.excepthook = before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "msg=loud" in captured.err


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """nodescope's logger, which is afterwards as it was before."""
    found = logging.getLogger("nodescope")
    before = (found.handlers[:], found.level, found.propagate, threading.excepthook)
    yield found
    found.handlers[:], found.level, found.propagate, threading.excepthook = before


def full_pipe() -> tuple[int, TextIO]:
    """The end to read, and the other as a stream into which nothing more goes."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, open(writer, "w")


def test_a_log_that_nobody_reads(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs into a full pipe goes on after a moment; the reader that comes back is told how much it missed."""
    reader, stream = full_pipe()
    with stream, open(reader, "rb") as read:
        monkeypatch.setattr(sys, "stderr", stream)
        configure("info", "text")
        began = time.monotonic()
        for number in range(100):
            root.warning("lost %d %s", number, "y" * 3000)
        assert time.monotonic() - began < 5
        os.set_blocking(reader, False)
        while read.read(4096):
            pass
        root.warning("seen")
        lines = read.read().decode().splitlines()
    assert [line.split("msg=")[1] for line in lines] == [
        '"100 lines of the log were lost before this one, for they could not be written"',
        "seen",
    ]


def test_a_log_without_a_reader(root: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is no error of whoever logs."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure("info", "text")
        root.warning("lost")
