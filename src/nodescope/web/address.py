"""Addresses to serve on: HOST:PORT, [IPV6]:PORT, :PORT (every interface, both families), unix:PATH, vsock://:PORT.

Source: socket(7), ip(7), ipv6(7), unix(7), vsock(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

BACKLOG: Final = 1024
MAX_PORT: Final = 65_535
MAX_VSOCK_PORT: Final = 2**32 - 2
MAX_UNIX_PATH_BYTES: Final = 107
UNIX_MODE: Final = 0o660
STALE_CHECK_S: Final = 1.0

_IPV6_SIGNS: Final = frozenset("0123456789abcdefABCDEF:.[]")
_FORMS: Final = "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or vsock://:PORT"
_VSOCK: Final = "vsock://:"
_ANY: Final = ("", "::")


class AddressError(ValueError):
    """The text is no address. One sentence."""


class BindError(OSError):
    """The address cannot be served on. One sentence that says what to do."""


class Address(NamedTuple):
    """`path` for a unix socket, else `host` ("" for every interface) and `port` (0: any free one).

    `vsock`: the port is one between a virtual machine and its host.
    """

    host: str
    port: int
    path: str = ""
    vsock: bool = False

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        if self.vsock:
            return f"{_VSOCK}{self.port}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def includes(self, other: Address) -> bool:
        """Whether `other` is a part of this one: the same port on one interface, where this has them all."""
        if self.path or other.path or self.vsock or other.vsock or not self.port or self.port != other.port:
            return False
        return self.host in _ANY or (self.host == "0.0.0.0" and ":" not in other.host)


class UnixSocket(socket.socket):
    """A unix socket that takes its file with it when it is closed, unless another's is there by then."""

    def __init__(self) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._file: tuple[str, int, int] | None = None

    def bind(self, address: Any) -> None:
        super().bind(address)
        found = os.lstat(address)
        self._file = (address, found.st_dev, found.st_ino)

    def close(self) -> None:
        super().close()
        if self._file is not None:
            path, *identity = self._file
            self._file = None
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if identity == [found.st_dev, found.st_ino]:
                    os.unlink(path)


def parse(text: str) -> Address:
    """Raises `AddressError`."""
    if text.startswith("unix:"):
        return _unix(text)
    if text.startswith(_VSOCK):
        return Address("", _port(text.removeprefix(_VSOCK), MAX_VSOCK_PORT, text), vsock=True)
    host, colon, port = text.rpartition(":")
    if not colon:
        raise AddressError(f'"{text}" is not an address: expected {_FORMS}')
    number = _port(port, MAX_PORT, text)
    return Address(_host(host, text), number)


def _port(given: str, largest: int, text: str) -> int:
    if not (given.isascii() and given.isdecimal()) or len(given) > len(str(largest)) or int(given) > largest:
        raise AddressError(f'"{text}" has no usable port: expected a number from 0 to {largest} after the last colon')
    return int(given)


def _unix(text: str) -> Address:
    path = text.removeprefix("unix:")
    if path.startswith("@"):
        raise AddressError(f'"{text}" is a name that anybody may connect to: expected a path, whose file has rights')
    if not path or "\0" in path or len(os.fsencode(path)) > MAX_UNIX_PATH_BYTES:
        raise AddressError(f'"{text}" is not a unix address: expected a path of 1 to {MAX_UNIX_PATH_BYTES} bytes')
    return Address("", 0, path)


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1]
    if ":" in host and not _IPV6_SIGNS.issuperset(host):
        raise AddressError(f'"{text}" is not one address: expected {_FORMS}')
    if ":" in host or "[" in host or "]" in host:
        raise AddressError(f'"{text}" is ambiguous: write an IPv6 address in brackets, [::1]:9100')
    if any(character <= " " or character == "\x7f" for character in host):
        raise AddressError(f'"{text}" holds a blank or control character: expected {_FORMS}')
    return host


def bind(address: Address, leaving: Sequence[socket.socket] = ()) -> socket.socket:
    """A listening socket that does not block. Raises `BindError`.

    `leaving`: listening sockets of ours that are closed soon, and may hold the address, or a part of it, until then.
    """
    try:
        if address.path:
            sock = _bind_unix(address.path)
        elif address.vsock:
            sock = _bind_vsock(address.port)
        else:
            sock = _bind_beside(address, leaving)
    except BindError:
        raise
    except socket.gaierror as error:
        raise BindError(f'{address}: the host name "{address.host}" has no address ({error.strerror})') from error
    except (OSError, UnicodeError) as error:
        raise BindError(_sentence(address, error)) from error
    sock.setblocking(False)
    return sock


def name(sock: socket.socket) -> str:
    """The address that `sock` is bound to, as `parse` reads it."""
    if sock.family == socket.AF_UNIX:
        path = os.fsdecode(sock.getsockname())
        # A name without a file, which only systemd passes, begins with a NUL.
        return str(Address("", 0, path.replace("\0", "@", 1)))
    host, port = sock.getsockname()[:2]
    return str(Address("", port, vsock=True) if sock.family == socket.AF_VSOCK else Address(host, port))


def _bind_beside(address: Address, leaving: Sequence[socket.socket]) -> socket.socket:
    try:
        return _bind_tcp(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not leaving:
            raise
    # Sockets of one user that all want it share a port (socket(7)): so nobody is turned away meanwhile.
    with _sharing(leaving):
        sock = _bind_tcp(address, share=True)
        _share(sock, False)
        return sock


@contextlib.contextmanager
def _sharing(sockets: Sequence[socket.socket]) -> Iterator[None]:
    internet = [sock for sock in sockets if sock.family in (socket.AF_INET, socket.AF_INET6)]
    try:
        for sock in internet:
            _share(sock, True)
        yield
    finally:
        for sock in internet:
            _share(sock, False)


def _share(sock: socket.socket, wanted: bool) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(wanted))


def _bind_tcp(address: Address, share: bool = False) -> socket.socket:
    if address.host in _ANY:
        return _bind_any(address.port, share)
    # As bytes: Python puts any text through its codec of international names, and loads their tables for that.
    host = address.host.encode() if address.host.isascii() else address.host
    found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, target = found[0]
    return _listen(socket.AddressFamily(family), target, share)


def _bind_any(port: int, share: bool) -> socket.socket:
    try:
        return _listen(socket.AF_INET6, ("::", port), share)
    except OSError as error:
        # A kernel without IPv6, or with it switched off.
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
    return _listen(socket.AF_INET, ("0.0.0.0", port), share)


def _listen(family: socket.AddressFamily, target: tuple[object, ...], share: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if target[0] == "::" else 1)
        if share:
            _share(sock, True)
        sock.bind(target)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_vsock(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    try:
        sock.bind((socket.VMADDR_CID_ANY, port or socket.VMADDR_PORT_ANY))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    _remove_stale(path)
    sock = UnixSocket()
    try:
        # Narrow before the name exists, exact after: at no moment is it wider than asked.
        os.fchmod(sock.fileno(), UNIX_MODE)
        sock.bind(path)
        _set_mode(path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _set_mode(path: str) -> None:
    """`UNIX_MODE` for the socket at `path`; a link that somebody put in its place meanwhile is not followed."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise BindError(f"unix:{path}: another file has taken its place; choose a directory that is yours alone")
        os.chmod(f"/proc/self/fd/{fd}", UNIX_MODE)
    finally:
        os.close(fd)


def _remove_stale(path: str) -> None:
    """Removes a socket file that nobody answers on. Raises `BindError` for anything else of that name."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"{path} is there and is no socket; remove it or choose another path with --web.listen-address")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(STALE_CHECK_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (TimeoutError, BlockingIOError) as error:
            raise BindError(_in_use(f"unix:{path}")) from error
    raise BindError(_in_use(f"unix:{path}"))


def _in_use(address: object) -> str:
    return f"{address} is in use by another program; stop it or choose another address with --web.listen-address"


def _sentence(address: Address, error: OSError | UnicodeError) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return _in_use(address)
    if number in (errno.EACCES, errno.EPERM):
        if address.path:
            return f"{address}: permission denied; make its directory writable for this user or choose another path"
        return f"{address}: permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    if number == errno.EADDRNOTAVAIL:
        return f'{address}: no interface of this machine has the address "{address.host}"; see "ip address"'
    if number == errno.EROFS:
        return f"{address}: the file system is read-only; choose another path, in /run for one"
    if number == errno.ENOENT:
        return f"{address}: the directory does not exist; create it or choose another path"
    return f"{address} cannot be served on: {error}"
