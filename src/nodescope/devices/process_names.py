"""Who a process is that a driver knows by its number alone: its command's name and its user.

Source: proc_pid_stat(5) for name and start, proc_pid_status(5) for the user, passwd(5) for the user's name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.file import Stamp, stamp
from nodescope.kernel.number import uint64
from nodescope.kernel.printable import printable
from nodescope.records.gpu import ProcessReading

PASSWD: Final = "/etc/passwd"
MAX_KEPT: Final = 4096
MAX_USERS: Final = 65_536
MAX_NAME_CHARACTERS: Final = 64
TRUST_S: Final = 1.0
"""A number that was looked at this long ago is still of the same process."""
FORGET_S: Final = 60.0
LOOK_AT_PASSWD_S: Final = 10.0

_START_FIELD: Final = 19
"""Place of starttime behind the command's name."""


class Stat(NamedTuple):
    """A command's name, and when it started in clock ticks after boot: with its number that is one process only."""

    name: str
    start_ticks: int


class _Kept:
    """What is known of a process. `seen_at`: when somebody last asked; `looked_at`: when it was last surely there."""

    __slots__ = ("looked_at", "name", "seen_at", "start_ticks", "user")

    def __init__(self, stat: Stat, user: str | None, now: float) -> None:
        self.name = stat.name
        self.start_ticks = stat.start_ticks
        self.user = user
        self.looked_at = self.seen_at = now


class Users:
    """Names of users, from /etc/passwd, which is looked at again each `LOOK_AT_PASSWD_S`. For one thread."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._names: dict[int, str] = {}
        self._mark: Stamp | None = None
        self._due = float("-inf")

    def name(self, uid: int) -> str:
        """The user's name, the number itself where there is none."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LOOK_AT_PASSWD_S
            self._read()
        return self._names.get(uid, str(uid))

    def _read(self) -> None:
        path = self._host.root(PASSWD)
        try:
            mark = stamp(os.stat(path))
            if mark != self._mark:
                self._names = parse_passwd(self._host.read_once(path))
                self._mark = mark
        except (Absent, Malformed, OSError):
            # Without names there are numbers.
            self._names = {}
            self._mark = None


class Named:
    """Fills in names and users. For one thread.

    *Cost*: two small files for a process that is new, one of them each second while it is known. *Absent when*: the
    process is gone, or is of another PID namespace and not seen here; then both stay None.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._kept: dict[int, _Kept] = {}
        self._users = Users(host)
        self._swept_at = float("-inf")

    def named(self, processes: Iterable[ProcessReading]) -> tuple[ProcessReading, ...]:
        """The same, each with its name and user where they can be known."""
        now = time.monotonic()
        if now - self._swept_at >= FORGET_S:
            self._swept_at = now
            self._kept = {pid: kept for pid, kept in self._kept.items() if now - kept.seen_at < FORGET_S}
        return tuple([self._with_name(process, now) for process in processes])

    def _with_name(self, process: ProcessReading, now: float) -> ProcessReading:
        kept = self._known(process.pid, now)
        if kept is None:
            return process
        return msgspec.structs.replace(process, name=kept.name, user=kept.user)

    def _known(self, pid: int, now: float) -> _Kept | None:
        kept = self._kept.get(pid)
        if kept is not None and now - kept.looked_at < TRUST_S:
            kept.seen_at = now
            return kept
        stat = self._stat(pid) if pid > 0 else None
        if stat is None:
            self._kept.pop(pid, None)
            return None
        if kept is None or kept.start_ticks != stat.start_ticks:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            kept = self._kept[pid] = _Kept(stat, self._user(pid), now)
        # A process may take another name while it runs.
        kept.name = stat.name
        kept.looked_at = kept.seen_at = now
        return kept

    def _stat(self, pid: int) -> Stat | None:
        path = self._host.proc(f"{pid}/stat")
        try:
            return parse_stat(self._host.read_once(path), path)
        except (Absent, Malformed, OSError):
            return None

    def _user(self, pid: int) -> str | None:
        path = self._host.proc(f"{pid}/status")
        try:
            uid = parse_uid(self._host.read_once(path), path)
        except (Absent, Malformed, OSError):
            return None
        return self._users.name(uid)


def parse_stat(data: bytes, source: str) -> Stat:
    """Name and start. The name may hold anything, brackets too: behind its last bracket is no other one.

    Raises `Malformed`.
    """
    before, closed, behind = data.rpartition(b")")
    _, opened, name = before.partition(b"(")
    fields = behind.split(None, _START_FIELD + 1)
    ticks = uint64(fields[_START_FIELD]) if len(fields) > _START_FIELD else None
    if not closed or not opened or ticks is None:
        raise Malformed(source, data, "a number, a command in brackets and at least 20 fields")
    return Stat(_plain(name), ticks)


def parse_uid(data: bytes, source: str) -> int:
    """The real user's number, from the line `Uid:`. Raises `Malformed`."""
    # The command's name stands above; the kernel writes a line feed in it as \n, but no other sign that ends lines.
    for line in data.split(b"\n"):
        if line.startswith(b"Uid:"):
            words = line.split()
            uid = uint64(words[1]) if len(words) > 1 else None
            if uid is not None:
                return uid
            raise Malformed(source, line, "Uid: and a number")
    raise Malformed(source, data, "a line Uid:")


def parse_passwd(data: bytes) -> dict[int, str]:
    """User's number -> name, of the first line that has the number. Lines that are none are passed over."""
    users: dict[int, str] = {}
    for line in data.split(b"\n"):
        fields = line.split(b":")
        uid = uint64(fields[2]) if len(fields) >= 4 else None
        if uid is not None and fields[0] and len(users) < MAX_USERS:
            users.setdefault(uid, _plain(fields[0]))
    return users


def _plain(raw: bytes) -> str:
    """Text of a name, bounded, with a question mark for what cannot be printed."""
    return printable(text(raw[: 4 * MAX_NAME_CHARACTERS])[:MAX_NAME_CHARACTERS])
