"""systemd's protocols: readiness and watchdog notification, and socket activation.

Source: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

FIRST_PASSED_DESCRIPTOR: Final = 3
MAX_PASSED_DESCRIPTORS: Final = 64
SEND_TIMEOUT_S: Final = 1.0


class Notifier:
    """Tells the service manager how the service is. Does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_interval_s = watchdog_interval_s(environment)

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self, monotonic_microseconds: int) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_microseconds}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send("STATUS=" + text.replace("\n", " "))

    def _send(self, message: str) -> None:
        if not self.address:
            return
        # A leading @ names a socket in the abstract namespace.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(SEND_TIMEOUT_S)
                sock.sendto(message.encode(), address)
        except OSError:
            # The manager went away, or no descriptor is left: nobody can be told.
            return


def watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    """Seconds between two watchdog messages: half the service's limit. None where none is asked of this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isascii() or not microseconds.isdigit() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6 / 2


def passed_sockets(environment: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd passed to this process; empty where it passed none.

    Raises `OSError` where one does not listen for streams (ListenDatagram=, Accept=yes): nobody could be served there.
    """
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environment.get("LISTEN_FDS", "")
    if not count.isascii() or not count.isdigit():
        return []
    sockets = []
    for fd in range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + min(int(count), MAX_PASSED_DESCRIPTORS)):
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sockets.append(sock)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, "it does not listen for streams; give ListenStream= and Accept=no")
    return sockets
