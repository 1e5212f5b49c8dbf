"""Runs nvidia-smi and reads what it says: `-q -x`, where that gives no XML `-q`, and `-L` for what neither tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from nodescope.command import CommandFailed, CommandNotFound, Finished, run
from nodescope.devices.nvidia import procfs
from nodescope.devices.nvidia.smi.failure import (
    FAILED,
    HUNG,
    NO_DEVICES,
    NO_DRIVER,
    NO_PROGRAM,
    Unreadable,
    broken_gpus,
    meant_by_status,
    meant_by_words,
)
from nodescope.devices.nvidia.smi.log import MAX_OUTPUT_BYTES, Log, kernel_address
from nodescope.devices.nvidia.smi.text import HEADER, Listing, parse_listing, parse_text
from nodescope.devices.nvidia.smi.xml import END, START, has_xml, parse_xml
from nodescope.host import Host, Malformed

PROGRAMS: Final = ("nvidia-smi", "/usr/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi")
"""On the path; where the driver installs it; where a container is given it."""

MAX_LISTING_BYTES: Final = 256 * 1024
MAX_ROUNDS: Final = 8
"""Each GPU at which nvidia-smi stops costs one more run."""

UNSEEN: Final = (
    "failed",
    "the kernel module has this GPU and nvidia-smi does not find it: it could not be initialised (see the kernel log"
    " for RmInitAdapter), or this container was not given it",
)
"""State and reason of a GPU of which only the kernel module tells."""

UNASKED: Final = ("failed", "nvidia-smi stops at another GPU, which it cannot open, and tells nothing of this one")
UNTOLD: Final = "failed", "nvidia-smi counts this GPU and tells nothing of it: see the kernel log for NVRM"
NO_GPU: Final = "nvidia-smi tells of no GPU"
UNREACHABLE: Final = (
    "NVIDIA's kernel module is loaded and nvidia-smi cannot talk to it: give access to /dev/nvidiactl and /dev/nvidia*,"
    " and see the kernel log for NVRM"
)


class Read(NamedTuple):
    """What nvidia-smi said. `broken`: state and reason of each GPU that it could not open, by PCI address."""

    log: Log | None
    broken: dict[str, tuple[str, str]]


class SmiProgram:
    """nvidia-smi. `starts`: how often it was run. For one thread at a time.

    `program`: its path; else it is looked for. `limit_s`: how long one run may take. `unwanted`: while it is true
    nothing is run, and what runs is ended.
    """

    def __init__(self, host: Host, program: str, limit_s: float, unwanted: Callable[[], bool]) -> None:
        self.starts = 0
        self._host = host
        self._programs = (program,) if program else PROGRAMS
        self._limit_s = limit_s
        self._unwanted = unwanted

    def read(self, known: Collection[str]) -> Read:
        """Every GPU that can be read. `known`: PCI addresses of those seen before. Raises `Unreadable`."""
        try:
            return self._read(known)
        except Unreadable as error:
            if error.kind == NO_DEVICES and (there := procfs.addresses(self._host)):
                return Read(None, dict.fromkeys(there, UNSEEN))
            if error.kind == NO_DRIVER and procfs.module_is_loaded(self._host):
                raise Unreadable(FAILED, UNREACHABLE) from None
            raise

    def listing(self) -> Listing:
        """What `-L` lists; nothing where it fails. Raises `Unreadable` where it hangs."""
        try:
            return parse_listing(self._run(("-L",), MAX_LISTING_BYTES).stdout)
        except Unreadable as error:
            if error.kind == HUNG:
                raise
            return Listing({}, {})

    def _read(self, known: Collection[str]) -> Read:
        """nvidia-smi may stop at the first GPU that it cannot open: then it is asked for the others by address."""
        broken: dict[str, tuple[str, str]] = {}
        others: set[str] = set()
        for _ in range(MAX_ROUNDS):
            chosen = ("-i", ",".join(sorted(others))) if others else ()
            finished = self._run(("-q", "-x", *chosen), MAX_OUTPUT_BYTES)
            found = broken_gpus(_message(finished))
            log = self._parsed(finished, chosen, must=not found and not broken)
            if log is not None:
                there = {kernel_address(gpu.address) for gpu in log.gpus}
                return Read(log, {address: why for address, why in (broken | found).items() if address not in there})
            fresh = found.keys() - broken.keys()
            broken |= found
            others = set(known or procfs.addresses(self._host)) - broken.keys()
            if not fresh or not others:
                break
        return Read(None, dict.fromkeys(others, UNASKED) | broken)

    def _parsed(self, finished: Finished, chosen: tuple[str, ...], must: bool) -> Log | None:
        """The log with its GPUs, of XML or of another run for text. None where there is none and there need not be."""
        try:
            log = parse_xml(finished.stdout, "nvidia-smi -q -x")
        except Malformed as error:
            return self._text(finished, chosen, str(error)) if must else None
        if log.gpus:
            return log
        if must:
            raise meant_by_words(_message(finished)) or Unreadable(NO_DEVICES, NO_GPU)
        return None

    def _text(self, finished: Finished, chosen: tuple[str, ...], problem: str) -> Log:
        """The log of a second run. `finished`, `problem`: of the first."""
        if meant := meant_by_words(_message(finished)):
            raise meant
        written = self._run(("-q", *chosen), MAX_OUTPUT_BYTES)
        try:
            log = parse_text(written.stdout, "nvidia-smi -q")
        except Malformed as error:
            if meant := meant_by_words(_message(written)):
                raise meant from None
            if has_xml(finished.stdout):
                raise Unreadable(FAILED, f"{problem}; {error}") from None
            raise meant_by_status(finished.status, _message(finished)) from None
        if not log.gpus:
            raise meant_by_words(_message(written)) or Unreadable(NO_DEVICES, NO_GPU)
        return log

    def _run(self, arguments: tuple[str, ...], limit_bytes: int) -> Finished:
        begun = time.monotonic()
        for program in self._programs:
            try:
                self.starts += 1
                finished = run((program, *arguments), self._limit_s, limit_bytes, unwanted=self._unwanted)
            except CommandNotFound:
                self.starts -= 1
                continue
            except CommandFailed as error:
                hung = time.monotonic() - begun >= self._limit_s
                raise Unreadable(HUNG if hung else FAILED, str(error)) from None
            if finished.truncated:
                raise Unreadable(FAILED, f"{program} {' '.join(arguments)} wrote more than {limit_bytes} bytes")
            return finished
        raise Unreadable(NO_PROGRAM, f"there is no {' nor '.join(self._programs)}: install the driver's utilities")


def _message(finished: Finished) -> bytes:
    """What it said beside the readings."""
    said, start, end = finished.stdout, finished.stdout.find(START), finished.stdout.rfind(END)
    if start >= 0:
        said = said[:start] + (said[end + len(END) :] if end >= start else b"")
    elif HEADER in said:
        said = said[: said.find(HEADER)]
    return said + b"\n" + finished.stderr
