"""Records of the kernel's log: what one says, and a thread that follows them.

Source: Documentation/ABI/testing/dev-kmsg.
"""

from __future__ import annotations

import logging
import os
import re
import select
import stat
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from nodescope import threads
from nodescope.host import Malformed, text
from nodescope.kernel.number import uint64

PATH: Final = "/dev/kmsg"
RECORD_BYTES: Final = 8192
"""No record is longer (CONSOLE_EXT_LOG_MAX in kernel/printk); a read of fewer bytes may fail."""

KERNEL: Final = 0
"""The facility of the kernel's own records: no process can write with it."""

WAIT_S: Final = 1.0
HELD_UP_S: Final = 1.0
"""So long after a look for records that found none this thread was not held up: what comes is read as it is written."""

RETRY_S: Final = 60.0
LOSS_TOLD_S: Final = 60.0
CLOSE_S: Final = 1.0

_ESCAPED: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_EXPECTED: Final = 'a record like "6,339,5140900,-;text"'

log = logging.getLogger(__name__)


class KmsgRecord(NamedTuple):
    """One record, without the lines of KEY=value behind its message. `facility`: 0 for what the kernel itself wrote.
    `monotonic_microseconds`: since boot, by the kernel's clock."""

    facility: int
    sequence: int
    monotonic_microseconds: int
    message: str


OnRecord = Callable[[KmsgRecord, float], object]
"""Takes a record and the Unix time at which it was written."""


def parse(data: bytes, source: str = PATH) -> KmsgRecord:
    """One record, as read(2) gives it. What later kernels add is passed over. Raises `Malformed`."""
    head, found, body = data.partition(b";")
    words = head.split(b",")
    if not found or len(words) < 3 or len(data) > RECORD_BYTES:
        raise Malformed(source, data, _EXPECTED)
    priority, sequence, microseconds = map(uint64, words[:3])
    if priority is None or sequence is None or microseconds is None:
        raise Malformed(source, data, _EXPECTED)
    return KmsgRecord(priority >> 3, sequence, microseconds, _unescaped(body.partition(b"\n")[0]))


def _unescaped(raw: bytes) -> str:
    """The kernel writes what is not printable, and the backslash, as \\xNN: a line break in a message is \\x0a."""
    return text(_ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), raw) if b"\\" in raw else raw)


def _sequence(data: bytes) -> int | None:
    words = data.split(b",", 2)
    return uint64(words[1]) if len(words) == 3 else None


class KernelLog:
    """A daemon thread that gives every record of the kernel itself to `on_record`. One for which that raises is lost.

    `since`: "start" for all that the kernel still holds, "end" for new records only. `words`: give only records that
    have one of these bytes in them; to pass over the others costs little more than to read them. `kernel_only`: pass
    over what processes wrote. The time of a record that was written before it could be read is reckoned from the
    kernel's clock, which knows nothing of time spent in suspend.

    Where the log cannot be read `problem` says why and what to do, and it is tried again each `retry_s`. `lost` counts
    records that were overwritten before they were read, or could not be taken, `malformed` those that are none.

    A file or a named pipe of records may stand in for the device: it is read by lines, and again as it grows.
    Raises `RuntimeError` where no thread is to be had, `OSError` where no descriptor is.
    """

    def __init__(
        self,
        path: str,
        on_record: OnRecord,
        since: Literal["start", "end"] = "end",
        words: Sequence[bytes] = (),
        kernel_only: bool = True,
        retry_s: float = RETRY_S,
    ) -> None:
        self.problem = ""
        self.lost = 0
        self.malformed = 0
        self._path = path
        self._on_record = on_record
        self._whence = os.SEEK_SET if since == "start" else os.SEEK_END
        self._words = tuple(words)
        self._kernel_only = kernel_only
        self._retry_s = retry_s
        self._last = b""
        self._known: int | None = None
        self._overrun = False
        self._tell_of_loss_at = float("-inf")
        self._live = False
        self._looked_at = 0.0
        self._closing = False
        self._settled = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="kernel-log", daemon=True)
        try:
            threads.start(self._thread)
        except RuntimeError:
            os.close(self._wake)
            raise

    def is_settled(self, timeout_s: float = 0.0) -> bool:
        """Whether all that the log held has been read once, or `problem` says why not, or it is closed; waits for that
        if asked."""
        return self._settled.wait(timeout_s)

    def close(self) -> None:
        """Ends the thread, within a second; may be called twice."""
        if self._closing:
            return
        self._closing = True
        self._settled.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join(CLOSE_S)
        # A thread that is still busy may yet poll it.
        if not self._thread.is_alive():
            os.close(self._wake)

    def _run(self) -> None:
        while not self._closing:
            try:
                # Some containers put a terminal in its place.
                fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError as error:
                self._tell(error)
            else:
                try:
                    self._follow(fd)
                except OSError as error:
                    self._tell(error)
                except Exception as error:  # such as MemoryError: what comes later must not be missed for it
                    log.exception("a record of %s could not be taken", self._path)
                    self.lost += 1
                    self.problem = f"following the kernel log failed: {type(error).__name__}: {error}"
                    self._settled.set()
                finally:
                    os.close(fd)
            self._wait(self._retry_s)

    def _follow(self, fd: int) -> None:
        """Until closing. Raises `OSError` where the log can no longer be read."""
        status = os.fstat(fd)
        # After a failure it goes on where it was.
        self._known = _sequence(self._last)
        if not stat.S_ISFIFO(status.st_mode):
            os.lseek(fd, 0, self._whence if self._known is None else os.SEEK_SET)
        self._live = False
        if stat.S_ISCHR(status.st_mode):
            self._follow_device(fd)
        else:
            self._follow_lines(fd)

    def _follow_device(self, fd: int) -> None:
        while not self._closing:
            try:
                data = os.read(fd, RECORD_BYTES)
            except BlockingIOError:
                self._caught_up()
                self._wait(WAIT_S, fd)
                continue
            except BrokenPipeError:
                # The next read gives the oldest record that is left.
                self._overrun = True
                continue
            if not data:
                raise OSError("it ended, which a kernel's log does not")
            self._take(data)

    def _follow_lines(self, fd: int) -> None:
        rest = b""
        while not self._closing:
            try:
                data = os.read(fd, RECORD_BYTES)
            except BlockingIOError:
                self._caught_up()
                self._wait(WAIT_S, fd)
                continue
            if not data:
                self._caught_up()
                self._wait(WAIT_S)
                continue
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > RECORD_BYTES:
                self.malformed += 1
                rest = b""

    def _take(self, data: bytes) -> None:
        before, self._last = self._last, data
        if self._overrun:
            self._overrun = False
            self._lose(_between(_sequence(before), _sequence(data)))
        if self._known is not None:
            if (_sequence(data) or 0) <= self._known:
                return
            self._known = None
        words = self._words
        if words and not any(word in data for word in words):
            return
        try:
            record = parse(data, self._path)
        except Malformed as error:
            self.malformed += 1
            log.debug("%s", error)
            return
        if record.facility == KERNEL or not self._kernel_only:
            self._on_record(record, self._written_at(record))

    def _lose(self, count: int) -> None:
        """Tells of it, but not each time: a flood of records would be followed by one of lines that tell of it."""
        self.lost += count
        now = time.monotonic()
        if now >= self._tell_of_loss_at:
            self._tell_of_loss_at = now + LOSS_TOLD_S
            log.warning(
                "%s: %d records were overwritten before they could be read: what they told of is missed",
                self._path,
                self.lost,
            )

    def _written_at(self, record: KmsgRecord) -> float:
        now = time.time()
        unlooked_s = time.monotonic() - self._looked_at
        if self._live and unlooked_s <= WAIT_S + HELD_UP_S:
            return now
        # As the kernel's own clock, this one is not slewed by NTP, which adds up to minutes in a year.
        age = time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - record.monotonic_microseconds / 1e6
        if self._live:
            # This process was stopped, or busy: the record came since it last looked.
            age = min(age, unlooked_s)
        return now - max(0.0, age)

    def _caught_up(self) -> None:
        self._live = True
        self._looked_at = time.monotonic()
        if self.problem:
            self.problem = ""
            log.info("%s can be read again", self._path)
        self._settled.set()

    def _tell(self, error: OSError) -> None:
        problem = (
            f"the kernel log cannot be read: {self._path}: {error.strerror or error}. It needs root or CAP_SYSLOG"
            " (see kernel.dmesg_restrict), and in a container the host's /dev/kmsg"
        )
        if problem != self.problem:
            self.problem = problem
            log.warning("%s", problem)
        self._settled.set()

    def _wait(self, seconds: float, fd: int | None = None) -> None:
        """Until closing, or until there is something to read, `seconds` at most."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if fd is not None:
            poll.register(fd, select.POLLIN)
        poll.poll(seconds * 1000)


def _between(before: int | None, after: int | None) -> int:
    """How many records are missing between two, of which the numbers may be unknown: one at least."""
    return max(1, after - before - 1) if before is not None and after is not None else 1
