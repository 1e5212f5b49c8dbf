"""TLS as a web config file asks for it, and connections under it. Imported only where there is TLS.

Source: Python's ssl; SSL_CTX_new(3), SSL_shutdown(3); Go's crypto/tls for what the names in the file mean.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nodescope.web import cipher_names
from nodescope.web.connection import READABLE, RECEIVE_BYTES, WRITABLE, Connection
from nodescope.web.web_config import TlsConfig, WebConfigError, read

if TYPE_CHECKING:
    from nodescope.web.serving import Serving

PLAIN_HTTP_ANSWER: Final = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"this address speaks HTTPS, and the request was plain HTTP\n"
)

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
    # Stricter than Go, which takes any certificate here: one that a CA of the file has signed.
    "RequireAnyClientCert": ssl.CERT_REQUIRED,
    "RequireClientCert": ssl.CERT_REQUIRED,
}

log = logging.getLogger(__name__)


class NotAllowed(OSError):
    """A client whose certificate is good and whose names are not on the list."""


class EncryptedKey(Exception):
    """OpenSSL asked for the key's password."""


def server_context(tls: TlsConfig, path: str) -> ssl.SSLContext:
    """The context that `tls` asks for. Raises `WebConfigError`, naming the config file `path`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Scrapers reuse connections; a renegotiation is only ever an attack (CVE-2011-1473).
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _set_versions(context, tls, path)
    _set_ciphers(context, tls, path)
    _load_certificate(context, tls, path)
    _load_client_ca(context, tls, path)
    return context


def _set_versions(context: ssl.SSLContext, tls: TlsConfig, path: str) -> None:
    if tls.min_version not in _VERSIONS:
        log.warning("%s: min_version %s is served from TLS 1.2 on (RFC 8996)", path, tls.min_version)
    context.minimum_version = _VERSIONS.get(tls.min_version, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = _VERSIONS[tls.max_version]


def _set_ciphers(context: ssl.SSLContext, tls: TlsConfig, path: str) -> None:
    names = [cipher_names.OPENSSL[suite] for suite in tls.cipher_suites if suite not in cipher_names.TLS13]
    if names:
        try:
            context.set_ciphers(":".join(names))
        except ssl.SSLError as error:
            raise WebConfigError(f"{path}: tls_server_config.cipher_suites: OpenSSL has none of {names}") from error
    elif tls.cipher_suites:
        # Only suites of TLS 1.3 are wanted, so TLS 1.2 has none left.
        if tls.max_version == "TLS12":
            raise WebConfigError(f"{path}: tls_server_config.cipher_suites: max_version TLS12 needs a suite of TLS 1.2")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.curve_preferences:
        # OpenSSL as Python has it takes one: the first is wanted most, and all others are kept out as asked.
        context.set_ecdh_curve(cipher_names.CURVES[tls.curve_preferences[0]])


def _load_certificate(context: ssl.SSLContext, tls: TlsConfig, path: str) -> None:
    certificate = read(tls.cert_file, "cert_file", path) if tls.cert_file else tls.cert.encode()
    key = read(tls.key_file, "key_file", path) if tls.key_file else str(tls.key).encode()
    try:
        with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
            context.load_cert_chain(certificate_path, key_path, password=_no_password)
    except (ssl.SSLError, ValueError, EncryptedKey) as error:
        where = f"{tls.cert_file or 'cert'} and {tls.key_file or 'key'}"
        raise WebConfigError(
            f"{path}: {where}: expected a certificate and its unencrypted key in PEM: {_reason(error)}"
        ) from error


def _load_client_ca(context: ssl.SSLContext, tls: TlsConfig, path: str) -> None:
    context.verify_mode = _VERIFY.get(tls.client_auth_type, ssl.CERT_NONE)
    if context.verify_mode == ssl.CERT_NONE:
        return
    if not (tls.client_ca or tls.client_ca_file):
        # As Go does: the CAs that the machine trusts.
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    pem = read(tls.client_ca_file, "client_ca_file", path).decode("latin-1") if tls.client_ca_file else tls.client_ca
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        where = tls.client_ca_file or "client_ca"
        raise WebConfigError(f"{path}: {where}: expected CA certificates in PEM: {_reason(error)}") from error


def _no_password() -> str:
    raise EncryptedKey("the key is encrypted")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)[:200]


@contextlib.contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """A path that OpenSSL can read `pem` from: in memory, so no key is ever written to a disk."""
    fd = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(pem)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


class TlsConnection(Connection):
    """A connection under TLS; `greet` is its handshake. Needs what a plain one needs, in records."""

    def __init__(
        self, server: Serving, sock: socket.socket, remote: str, context: ssl.SSLContext, allowed_sans: tuple[str, ...]
    ) -> None:
        wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        super().__init__(server, wrapped, remote)
        self.tls: ssl.SSLSocket = wrapped
        self.context = context
        self.greeted = False
        self._allowed = frozenset(map(_comparable, allowed_sans))

    def greet(self) -> int:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return READABLE
        except ssl.SSLWantWriteError:
            return WRITABLE
        except ssl.SSLError as error:
            if error.reason == "HTTP_REQUEST":
                socket.socket.send(self.tls, PLAIN_HTTP_ANSWER)
                self.end_sending()
            raise
        self._check_names()
        return 0

    def receive(self) -> bool:
        while True:
            try:
                data = self.tls.recv(RECEIVE_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return True
            self.buffer += data
            # What OpenSSL has taken off the socket wakes no one up.
            if not data or not self.tls.pending():
                return bool(data)

    def send(self, *parts: bytes) -> None:
        unsent = self.unsent + b"".join(parts)
        sent = 0
        with memoryview(unsent) as view, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while sent < len(unsent):
                sent += self.tls.send(view[sent:])
        self.unsent = unsent[sent:]

    def end_sending(self) -> None:
        # close_notify goes out at once; the peer's own is not waited for.
        with contextlib.suppress(OSError, ValueError):
            self.tls.unwrap()
        super().end_sending()

    def release(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.tls.unwrap()
        super().release()

    def _check_names(self) -> None:
        if not self._allowed:
            return
        certificate: Mapping[str, Any] | None = self.tls.getpeercert()
        if certificate and not self._allowed.intersection(_names(certificate)):
            raise NotAllowed(f"the client certificate of {self.remote_addr} has no name of client_allowed_sans")


def _names(certificate: Mapping[str, Any]) -> Iterable[str]:
    """The DNS, IP, e-mail and URI names of a certificate, as `ssl.SSLSocket.getpeercert` gives it."""
    return (_comparable(str(name).strip()) for _, name in certificate.get("subjectAltName", ()))


def _comparable(name: str) -> str:
    """`name`, an IP address in the one form that all its spellings share."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            return socket.inet_ntop(family, socket.inet_pton(family, name))
    return name
