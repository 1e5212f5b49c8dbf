"""Structured logging to standard error: `time=... level=... msg=... key=value`, or one JSON object a line."""

from __future__ import annotations

import logging
import os
import select
import struct
import sys
import threading
import time
from typing import Final, TextIO

import msgspec

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
MAX_FIELD_CHARACTERS: Final = 1000
READER_WAIT_S: Final = 0.1
"""How long whoever logs waits for the reader of a full pipe; then lines are lost, until it reads again."""

_NAMES: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "error",
}


class Handler(logging.StreamHandler[TextIO]):
    """Writes to a stream, and never waits long: a log that nobody reads shall hold up no thread.

    What was lost is told, by number, once there is a reader again. A disk that hangs is waited for. Source: pipe(7): a
    pipe that is ready takes `PIPE_BUF` bytes at once.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fd = self.stream.fileno()
        except (AttributeError, OSError, ValueError):
            super().emit(record)
            return
        try:
            if self.lost and self._write(fd, self._loss()):
                self.lost = 0
            if self.lost or not self._write(fd, self.format(record)):
                self.lost += 1
        except OSError:
            # It is closed, full or without a reader, and there is no other place to say so.
            self.lost += 1
        except (TypeError, ValueError):
            self.handleError(record)

    def _write(self, fd: int, line: str) -> bool:
        """Whether all of it was taken."""
        data = f"{line}\n".encode("utf-8", "replace")
        poller = select.poll()
        poller.register(fd, select.POLLOUT)
        while data:
            if not poller.poll(0 if self.lost else READER_WAIT_S * 1000):
                return False
            data = data[os.write(fd, data[: select.PIPE_BUF]) :]
        return True

    def _loss(self) -> str:
        text = f"{self.lost} lines of the log were lost before this one, for they could not be written"
        return self.format(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (), None))


def configure(level: str, form: str) -> None:
    """Sends the log of `nodescope` to standard error. `form`: text, logfmt (the same) or json."""
    handler = Handler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger("nodescope")
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    root.propagate = False
    threading.excepthook = _log_thread_end


def _log_thread_end(ended: threading.ExceptHookArgs) -> None:
    """What ends a thread that nobody waits for is logged like everything else."""
    if ended.exc_value is not None:
        thread = ended.thread.name if ended.thread else "?"
        trace = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logging.getLogger("nodescope").error("thread %s ended", thread, exc_info=trace)


def fields(record: logging.LogRecord) -> dict[str, str]:
    """What a line says, in order. Fields beyond the message come with `extra={"fields": {...}}`."""
    milliseconds = int(record.created % 1 * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{milliseconds:03d}Z"
    line = {
        "time": stamp,
        "level": _NAMES.get(record.levelno, "info"),
        "source": record.name.removeprefix("nodescope."),
        "msg": record.getMessage(),
    }
    line.update({name: str(value) for name, value in getattr(record, "fields", {}).items()})
    if record.exc_info and record.exc_info[1] is not None:
        line["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        if record.levelno <= logging.DEBUG:
            line["trace"] = logging.Formatter().formatException(record.exc_info)
    return {name: text[:MAX_FIELD_CHARACTERS] if name != "trace" else text for name, text in line.items()}


class TextFormatter(logging.Formatter):
    """key=value; a value that is not one plain word is quoted, so nothing in it can start a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quoted(text)}" for name, text in fields(record).items())


class JsonFormatter(logging.Formatter):
    """One JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        return _encoded({name: _plain(text) for name, text in fields(record).items()})


def _quoted(text: str) -> str:
    if text and text.isprintable() and not set(text) & set(' ="\\'):
        return text
    return _encoded(_plain(text))


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _encoded(value: str | dict[str, str]) -> str:
    """JSON that a terminal can show: signs that steer it, beyond those of ASCII too, turn text round or end lines are
    escaped."""
    encoded = msgspec.json.encode(value).decode()
    if encoded.isprintable():
        return encoded
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in encoded)


def _escape(sign: str) -> str:
    """As JSON has it: a backslash, u and four hexadecimal digits, twice where it needs two."""
    return "".join(f"\\u{unit:04x}" for (unit,) in struct.iter_unpack(">H", sign.encode("utf-16-be")))
