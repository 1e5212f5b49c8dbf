"""Dumps over netlink, of whatever protocol: framing, attributes, one socket.

Source: netlink(7), include/uapi/linux/netlink.h. Numbers are in the byte order of the machine; messages and attributes
are aligned to four bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Container, Iterator
from typing import Final, NamedTuple, TypeVar

from nodescope.host import Malformed
from nodescope.kernel.own_socket import OwnSocket

BUFFER_BYTES: Final = 64 * 1024
MAX_MESSAGES: Final = 1_000_000

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
_TYPE_MASK: Final = 0x3FFF
_ANY_TYPE: Final = range(_TYPE_MASK + 1)

_ALLOW: Final = "; allow AF_NETLINK (RestrictAddressFamilies= of a systemd unit, or a seccomp profile)"
_ADVICE: Final = dict.fromkeys((errno.EACCES, errno.EAFNOSUPPORT, errno.EPERM, errno.EPROTONOSUPPORT), _ALLOW)

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_ERRNO: Final = struct.Struct("=i")
# A plain int: `&` with Python's own flag is a call into enum for each datagram.
_MSG_TRUNC: Final = int(socket.MSG_TRUNC)

Folded = TypeVar("Folded")


class Interrupted(Exception):
    """The kernel's tables changed under the dump, or it ran out of room for it: ask again."""


class Question(NamedTuple):
    """A request for a dump: its type, the type of the messages that answer it, its body."""

    request: int
    answer: int
    body: bytes


def messages(data: bytes, sequence: int, source: str) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and payload of each message that answers `sequence`. Raises `Malformed`."""
    start, size, header, unpack = 0, len(data), _HEADER.size, _HEADER.unpack_from
    while start < size:
        if size - start < header:
            raise Malformed(source, data[start:], "a message header of 16 bytes")
        length, kind, flags, number, _ = unpack(data, start)
        if length < header or start + length > size:
            raise Malformed(source, data[start:], f"a message of {length} bytes")
        if number == sequence:
            yield kind, flags, data[start + header : start + length]
        start += length + 3 & ~3


def attributes(
    payload: bytes, start: int, source: str, wanted: Container[int] = _ANY_TYPE, last: int = -1
) -> dict[int, bytes]:
    """Type -> value of the `wanted` attributes from `start` on until the type `last`; of one that comes twice the last.

    Raises `Malformed`.
    """
    found: dict[int, bytes] = {}
    size, header, unpack = len(payload), _ATTRIBUTE.size, _ATTRIBUTE.unpack_from
    while start + header <= size:
        length, kind = unpack(payload, start)
        if length < header or start + length > size:
            raise Malformed(source, payload[start:], f"an attribute of {length} bytes")
        kind &= _TYPE_MASK
        if kind in wanted:
            found[kind] = payload[start + header : start + length]
            if kind == last:
                break
        start += length + 3 & ~3
    return found


def at_most(limit: int, payloads: Iterator[bytes]) -> tuple[list[bytes], int]:
    """The first `limit` payloads, and how many more there were."""
    kept: list[bytes] = []
    more = 0
    for payload in payloads:
        if len(kept) < limit:
            kept.append(payload)
        else:
            more += 1
    return kept, more


class NetlinkSocket:
    """One socket to one netlink protocol of the kernel, opened when first used.

    A dump that is not over after `limit_s` seconds ends with `TimeoutError`. `source` is named in messages.
    """

    def __init__(self, protocol: int, source: str, limit_s: float) -> None:
        self.source = source
        self._protocol = protocol
        self._limit_s = limit_s
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._buffer = bytearray(BUFFER_BYTES)

    def __del__(self) -> None:
        self.close()

    def dump(self, question: Question, fold: Callable[[Iterator[bytes]], Folded]) -> Folded:
        """What `fold` makes of the payloads that answer; it is called anew where the table changed under the dump.

        Raises `OSError` where the kernel refuses, `Malformed`, and `Interrupted` where it has no room for the dump.
        """
        whole = False
        try:
            try:
                folded = fold(self._payloads(question, strict=True))
            except Interrupted:
                self.close()
                folded = fold(self._payloads(question, strict=False))
            whole = True
        finally:
            # A dump that was left half read would come before the next answer.
            if not whole:
                self.close()
        return folded

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _payloads(self, question: Question, strict: bool) -> Iterator[bytes]:
        """`strict`: a dump during which the table changed is not good enough."""
        deadline = time.monotonic() + self._limit_s
        self._sequence = self._sequence + 1 & 0xFFFFFFFF
        asked = self._socket = self._socket or self._open()
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        length = _HEADER.size + len(question.body)
        asked.send(_HEADER.pack(length, question.request, flags, self._sequence, 0) + question.body)
        given = 0
        while True:
            for kind, flags, payload in messages(self._receive(asked, deadline), self._sequence, self.source):
                if strict and flags & _NLM_F_DUMP_INTR:
                    raise Interrupted(f"{self.source}: the kernel's table changed during the dump")
                if kind == question.answer:
                    given += 1
                    if given > MAX_MESSAGES:
                        raise Malformed(self.source, payload, f"at most {MAX_MESSAGES} messages")
                    yield payload
                elif kind == _NLMSG_DONE:
                    self._refused(payload, or_else=0)
                    return
                elif kind == _NLMSG_ERROR:
                    self._refused(payload, or_else=errno.EPROTO)

    def _refused(self, payload: bytes, or_else: int) -> None:
        number = -_ERRNO.unpack_from(payload)[0] if len(payload) >= _ERRNO.size else or_else
        if number > 0:
            raise OSError(number, f"{self.source}: {os.strerror(number)}")

    def _receive(self, asked: socket.socket, deadline: float) -> bytes:
        if time.monotonic() >= deadline:
            raise self._too_late()
        try:
            size, _, flags, sender = asked.recvmsg_into([self._buffer])
        except BlockingIOError as error:
            raise self._too_late() from error
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise Interrupted(f"{self.source}: the kernel ran out of room for the dump") from error
            raise
        if flags & _MSG_TRUNC:
            raise Malformed(self.source, bytes(self._buffer[:16]), f"at most {BUFFER_BYTES} bytes at once")
        # Only the kernel, which is port 0, is believed.
        return bytes(memoryview(self._buffer)[:size]) if sender[0] == 0 else b""

    def _too_late(self) -> TimeoutError:
        return TimeoutError(errno.ETIMEDOUT, f"{self.source}: no whole answer in {self._limit_s:g} s")

    def _open(self) -> socket.socket:
        try:
            opened = OwnSocket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
        except OSError as error:
            number = error.errno or errno.EIO
            raise OSError(
                number, f"{self.source}: no netlink socket: {os.strerror(number)}{_ADVICE.get(number, '')}"
            ) from None
        try:
            opened.bind((0, 0))
            bound_calls(opened, self._limit_s)
        except OSError:
            opened.close()
            raise
        return opened


def bound_calls(opened: socket.socket, limit_s: float) -> None:
    """Has the kernel end each call after `limit_s`: Python's own limit would be a poll(2) before each."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        opened.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(limit_s), int(limit_s % 1 * 1e6)))
