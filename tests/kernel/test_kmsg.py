from __future__ import annotations

import errno
import logging
import os
import pty
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import Malformed
from nodescope.kernel.kmsg import PATH, RECORD_BYTES, KernelLog, KmsgRecord, parse
from tests.conftest import NoThreads

DEADLINE_S: Final = 10.0
WORD: Final = b"NVRM"


class Taken:
    """The records that a log gave, each with its time."""

    def __init__(self) -> None:
        self.records: list[KmsgRecord] = []
        self.times: list[float] = []
        self._grown = threading.Condition()

    def __call__(self, record: KmsgRecord, seconds: float) -> None:
        with self._grown:
            self.records.append(record)
            self.times.append(seconds)
            self._grown.notify_all()

    def messages(self, count: int) -> list[str]:
        """The messages, once there are `count`."""
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.records) >= count, DEADLINE_S), self.records
        return [record.message for record in self.records]


Follow = Callable[..., KernelLog]


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def follow(taken: Taken) -> Iterator[Follow]:
    """follow(path, **options): a log that is closed after the test."""
    logs: list[KernelLog] = []

    def start(path: Path | str, **options: object) -> KernelLog:
        logs.append(KernelLog(str(path), taken, **options))  # type: ignore[arg-type]
        return logs[-1]

    yield start
    for log in logs:
        log.close()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def record(sequence: int, message: str, priority: int = 6) -> str:
    return f"{priority},{sequence},{sequence * 1000},-;{message}\n"


def test_a_record_as_documented() -> None:
    """Facility, sequence, time and text are told apart from the rest; what is new does no harm."""
    data = (
        b"30,339,5140900,c,caller=T17,more=1;NET: \\x0a\\xc3\\xa9 \\x5c\n"
        b" SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A03:00\nodd\n"
    )
    assert parse(data) == KmsgRecord(
        facility=3, sequence=339, monotonic_microseconds=5_140_900, message="NET: \n\u00e9 \\"
    )


def test_captured_records(shared: Path) -> None:
    """Every line that was captured from a GPU node is a record, the last one without its line break too."""
    files = [shared / f"captures/nvidia/gpud_kmsg/{name}" for name in ("kmsg.1.log", "kmsg.2.peermem.log")]
    records = [parse(line) for file in files for line in file.read_bytes().split(b"\n")]
    assert len(records) == 47 + 8
    assert records[0] == KmsgRecord(0, 3964, 206_764_307, "nvidia-nvswitch2: open (major=510)")
    assert (records[-1].sequence, records[-1].message) == (3973, "test")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"6,1,2,-",
        b"6,1;text",
        b"x,1,2,-;text",
        b"6,-1,2,-;text",
        b"6,1,2.5,-;text",
        b"6,1,,-;text",
        b"6,99999999999999999999999,2,-;text",
        b"6,1,2,-;" + b"x" * RECORD_BYTES,
    ],
)
def test_what_is_no_record(data: bytes) -> None:
    """What is no record is refused with its source and at most 80 bytes of it."""
    with pytest.raises(Malformed, match=r"^/dev/kmsg: expected a record like") as refused:
        parse(data)
    assert len(str(refused.value)) < 200


@given(st.binary(max_size=200) | st.from_regex(rb"[0-9]{1,3},[0-9]{1,22},[0-9]{1,22},[^;]{0,20};.{0,40}(\n .*)*"))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes, there is a plausible record or `Malformed`, and no line break that was not escaped."""
    try:
        found = parse(data)
    except Malformed:
        return
    assert min(found.facility, found.sequence, found.monotonic_microseconds) >= 0
    assert "\n" not in found.message or b"\\x0" in data


@given(st.text(max_size=100))
def test_any_message(message: str) -> None:
    """Whatever the kernel escapes is the text that it was."""
    raw = message.encode("utf-8", "replace")
    escaped = b"".join(bytes((c,)) if 32 <= c < 127 and c != 92 else b"\\x%02x" % c for c in raw)
    assert parse(b"4,7,8,-;" + escaped + b"\n").message == raw.decode()


def test_this_machine(follow: Follow, taken: Taken) -> None:
    """All records that this machine's kernel still holds come in order, each at a time since it was started."""
    try:
        os.close(os.open(PATH, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        pytest.skip(f"{PATH} cannot be read here: {error}")
    log = follow(PATH, since="start", kernel_only=False)
    if not taken.messages(1):
        pytest.skip("the kernel's log is empty")
    time.sleep(0.1)
    log.close()
    sequences = [found.sequence for found in taken.records]
    assert sequences == sorted(set(sequences))
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert all(started - 60 < seconds <= time.time() for seconds in taken.times)
    assert (log.problem, log.malformed) == ("", 0)


def test_from_the_start(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """From the start all records come, reckoned back to when they were written, and then what is added, as of now."""
    now_microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) // 1000
    path = tmp_path / "kmsg"
    path.write_text(f"6,1,{now_microseconds - 1_500_000},-;before\n")
    follow(path, since="start")
    assert taken.messages(1) == ["before"]
    assert 1.5 <= time.time() - taken.times[0] < 1.5 + DEADLINE_S
    time.sleep(0.1)
    begin = time.time()
    with path.open("a") as file:
        file.write("6,2,3,-;in two ")
        file.flush()
        time.sleep(0.1)
        file.write("pieces\n")
    assert taken.messages(2) == ["before", "in two pieces"]
    assert begin <= taken.times[1] <= time.time()


def test_from_the_end(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """From the end only what is added comes."""
    path = tmp_path / "kmsg"
    path.write_text(record(1, "before"))
    follow(path)
    time.sleep(0.2)
    with path.open("a") as file:
        file.write(record(2, "after"))
    assert taken.messages(1) == ["after"]


def test_what_is_passed_over(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """Records without the word, and those that processes wrote, are passed over; what is no record is counted."""
    path = tmp_path / "kmsg"
    lines = [record(1, "usb 1-1"), record(2, "NVRM: forged", priority=14), "NVRM: no record\n", record(4, "NVRM: one")]
    path.write_text("".join(lines))
    log = follow(path, since="start", words=(b"nvidia", WORD))
    assert taken.messages(1) == ["NVRM: one"]
    assert (log.malformed, log.lost) == (1, 0)


def test_lines_without_end(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """Bytes without a line break are given up and counted, and the records behind them come."""
    path = tmp_path / "kmsg"
    path.write_bytes(b"x" * (3 * RECORD_BYTES) + b"\n" + record(1, "after").encode())
    log = follow(path, since="start")
    assert taken.messages(1) == ["after"]
    assert log.malformed >= 1


def test_a_pipe(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """A named pipe stands in for the device, also when its writer comes late, goes and comes back."""
    path = tmp_path / "kmsg"
    os.mkfifo(path)
    follow(path, since="start")
    for number in (1, 2):
        with path.open("w") as file:
            file.write(record(number, f"of writer {number}"))
        taken.messages(number)
    assert taken.messages(2) == ["of writer 1", "of writer 2"]


def test_absent_and_back(follow: Follow, taken: Taken, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log that is not there is told of once, with what to do, and read once it is there."""
    path = tmp_path / "kmsg"
    with caplog.at_level(logging.WARNING, "nodescope.kernel.kmsg"):
        log = follow(path, since="start", retry_s=0.05)
        until(lambda: log.problem)
        time.sleep(0.3)
        assert [found.getMessage() for found in caplog.records] == [log.problem]
    assert f"{path}: No such file or directory. It needs root or CAP_SYSLOG" in log.problem
    path.write_text(record(1, "there"))
    assert taken.messages(1) == ["there"]
    until(lambda: not log.problem)


def test_devices_that_are_no_log(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """A device that ends, a terminal, a folder: each is a problem that is told, and none is read in a circle."""
    controller, terminal = pty.openpty()
    try:
        logs = [follow(path, since="start") for path in ("/dev/null", os.ttyname(terminal), tmp_path)]
        for log in logs:
            until(lambda log=log: log.problem)  # type: ignore[misc]
    finally:
        os.close(controller)
        os.close(terminal)
    assert [log.problem.split(": ")[2].split(". It")[0] for log in logs] == [
        "it ended, which a kernel's log does not",
        "Illegal seek",
        "Is a directory",
    ]
    assert taken.records == []


def test_goes_on_where_it_was(follow: Follow, taken: Taken, tmp_path: Path) -> None:
    """After a failure no record comes twice and none that was written meanwhile is missing."""
    path = tmp_path / "kmsg"
    path.symlink_to(tmp_path / "first")
    first = tmp_path / "first"
    first.write_text(record(1, "one") + record(2, "two"))
    log = follow(path, since="start", retry_s=0.05)
    taken.messages(2)
    # Its filesystem going away would make the read fail; here the descriptor itself is made to.
    (fd,) = [int(name) for name in os.listdir("/proc/self/fd") if _leads_to(name, first)]
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        first.write_text(record(1, "one") + record(2, "two") + record(3, "three"))
        os.dup2(folder, fd)
        until(lambda: len(taken.records) >= 3)
    finally:
        os.close(folder)
    assert taken.messages(3) == ["one", "two", "three"]
    until(lambda: not log.problem)


def _leads_to(name: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{name}") == str(path)
    except OSError:
        return False


def test_close(follow: Follow, tmp_path: Path) -> None:
    """Closing ends the thread, whether it reads, waits for more or for the log to be there; twice is no error."""
    (tmp_path / "kmsg").write_text(record(1, "one"))
    os.mkfifo(tmp_path / "pipe")
    before = threading.active_count()
    logs = [follow(tmp_path / name) for name in ("kmsg", "pipe", "absent")]
    assert threading.active_count() == before + 3
    for log in [*logs, *logs]:
        log.close()
    until(lambda: threading.active_count() == before)


def test_without_a_thread_nothing_stays_open(tmp_path: Path, taken: Taken, no_threads: NoThreads) -> None:
    """A log that nobody can follow keeps no descriptor."""
    before = sorted(os.listdir("/proc/self/fd"))
    with no_threads(), pytest.raises(RuntimeError, match="thread"):
        KernelLog(str(tmp_path / "kmsg"), taken)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_record_that_cannot_be_taken(tmp_path: Path) -> None:
    """It is lost and counted, `problem` says why, and those after it are given all the same."""
    path = tmp_path / "kmsg"
    path.write_text(record(1, "one") + record(2, "two") + record(3, "three"))
    taken: list[int] = []

    def take(one: KmsgRecord, written_at: float) -> None:
        if one.sequence == 2:
            raise MemoryError
        taken.append(one.sequence)

    log = KernelLog(str(path), take, "start", retry_s=0.3)
    try:
        until(lambda: "MemoryError" in log.problem)
        assert log.is_settled()
        until(lambda: taken == [1, 3] and not log.problem)
        assert log.lost == 1
    finally:
        log.close()


def test_records_that_were_overwritten(
    follow: Follow, taken: Taken, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the kernel has overwritten what was not read yet, how many that were is told, once in a flood of them."""
    overrun = BrokenPipeError(errno.EPIPE, "overwritten")
    told: deque[str | OSError] = deque([record(1, "one"), overrun, record(5, "five"), overrun, record(9, "nine")])
    read = os.read

    def scripted(fd: int, size: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}") != os.devnull:
            return read(fd, size)
        if not told:
            time.sleep(0.01)  # what stands in for the log is always ready to be read
            raise BlockingIOError
        one = told.popleft()
        if isinstance(one, OSError):
            raise one
        return one.encode()

    monkeypatch.setattr(os, "read", scripted)
    log = follow(os.devnull, since="start")
    assert taken.messages(3) == ["one", "five", "nine"]
    assert log.lost == 6
    (line,) = [one.getMessage() for one in caplog.records]
    assert line == f"{os.devnull}: 3 records were overwritten before they could be read: what they told of is missed"
