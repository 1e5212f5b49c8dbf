"""How full mounted filesystems are, those included that may never answer."""

from __future__ import annotations

import errno
import os
import time
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.mount_table import Listed, MountTable
from nodescope.kernel.mount_prober import Answer, MountProber, Question
from nodescope.kernel.mountinfo import MountPoint
from nodescope.records.host import Mount

DEMAND_WAIT_SECONDS: Final = 0.25
MAX_ANSWER_INTERVALS: Final = 3
STUCK: Final = "mountpoint timeout"

# As every libc should say it, and as dashboards know it.
_ERRORS: Final = {
    errno.EPERM: "operation not permitted",
    errno.ENOENT: "no such file or directory",
    errno.EIO: "input/output error",
    errno.EACCES: "permission denied",
    errno.ENODEV: "no such device",
    errno.ENOTDIR: "not a directory",
    errno.ENAMETOOLONG: "file name too long",
    errno.ENOSYS: "function not implemented",
    errno.ELOOP: "too many levels of symbolic links",
    errno.ENOTCONN: "transport endpoint is not connected",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTDOWN: "host is down",
    errno.EHOSTUNREACH: "no route to host",
    errno.ESTALE: "stale NFS file handle",
}


class MountLimits(NamedTuple):
    """`timeout_s`: a mount that takes longer is stuck. `interval_s`: between samples."""

    timeout_s: float
    interval_s: float


def error_words(number: int) -> str:
    """Why a call failed, beginning in lower case unless with an acronym."""
    words = _ERRORS.get(number) or os.strerror(number)
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def mount_record(mount: MountPoint, answer: Answer, first: bool) -> Mount | None:
    """`first`: the first mount with its labels; another of the same labels adds its device number alone."""
    labels = mount[:5]
    if isinstance(answer, int):
        return Mount(*labels, error_words(answer), 1, mount.readonly) if first else None
    if not first:
        return Mount(*labels, "", None, None, mounted=1)
    block = float(answer.f_bsize)
    return Mount(
        *labels,
        "",
        0,
        mount.readonly,
        mounted=1,
        size_bytes=answer.f_blocks * block,
        free_bytes=answer.f_bfree * block,
        avail_bytes=answer.f_bavail * block,
        files=answer.f_files,
        files_free=answer.f_ffree,
        purgeable_bytes=0,
    )


def ask(path: str) -> Answer:
    """statfs(2), which may take forever where the mount's server or device is gone."""
    try:
        return os.statvfs(path)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:  # a zero byte in the path
        return errno.EINVAL


class MountSampler:
    """Filesystems whose statfs may hang, with their sizes.

    *Source*: `MountTable`; statfs(2). *Units*: bytes, inodes. A mount that fails has its error and no sizes; one that
    is slow shows its newest answer, one that has been asked for longer than the timeout is stuck, and is asked again
    when it returns. *Cost*: one statfs for each of these mounts.
    """

    name: ClassVar[str] = "filesystem"
    demand_wait_s: float = DEMAND_WAIT_SECONDS

    def __init__(self, table: MountTable, limits: MountLimits) -> None:
        self._table = table
        self._timeout_s = limits.timeout_s
        self.interval_s = self.rest_s = limits.interval_s
        self._mounts: list[Listed] = []
        self._prober = MountProber(ask)
        self._open: dict[str, Question] = {}
        self._answered: dict[str, Question] = {}

    def sample(self) -> tuple[Mount, ...]:
        self._mounts = self._table.others()
        self._ask_all()
        now = time.monotonic()
        records = (self._record(mount, first, now) for mount, first in self._mounts)
        return tuple(record for record in records if record is not None)

    def _ask_all(self) -> None:
        """Asks every path that is not still being asked, and sorts out which have been answered."""
        paths = dict.fromkeys(mount.path for mount, _ in self._mounts)
        self._settle()
        questions = [Question(path) for path in paths if path not in self._open]
        self._prober.ask(questions)
        self._open.update((question.path, question) for question in questions if question.asked_at is not None)
        self._settle()
        self._answered = {path: question for path, question in self._answered.items() if path in paths}

    def _settle(self) -> None:
        for path in [path for path, question in self._open.items() if question.answer is not None]:
            self._answered[path] = self._open.pop(path)

    def _record(self, mount: MountPoint, first: bool, now: float) -> Mount | None:
        question = self._open.get(mount.path)
        if question is not None and question.asked_at is not None and now - question.asked_at >= self._timeout_s:
            return Mount(*mount[:5], STUCK, 1, mount.readonly) if first else None
        question = self._answered.get(mount.path)
        if question is None or question.answer is None:
            return None
        if now - question.answered_at > MAX_ANSWER_INTERVALS * self.interval_s:
            return None
        return mount_record(mount, question.answer, first)
