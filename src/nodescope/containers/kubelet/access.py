"""Where the kubelet is, and what it and this agent show each other: certificates, a token.

Source: Kubernetes, "Kubelet authentication/authorization"; RFC 6750 for the token; Python's ssl.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from nodescope.kernel.file import Stamp, stamp

if TYPE_CHECKING:
    import ssl

PORT: Final = 10250
MAX_TOKEN_BYTES: Final = 65_536
MAX_SHOWN: Final = 80
MAX_REASON_CHARACTERS: Final = 200
NOWHERE: Final = frozenset({"", "0.0.0.0", "::", "[::]"})

_ADDRESS: Final = re.compile(r"(?:https://)?(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?/?")
_BARE_V6: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_TOKEN: Final = re.compile(rb"[!-~]+")


class AccessFailed(Exception):
    """The kubelet cannot be asked as the settings say. Names the file or setting, and what to do."""


class Access(NamedTuple):
    """How to ask the kubelet. Files that are "" are not used. `insecure`: whoever answers is believed."""

    host: str
    port: int = PORT
    ca_file: str = ""
    token_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    server_name: str = ""
    insecure: bool = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def address(text: str) -> tuple[str, int] | None:
    """Host and port of "HOST", "HOST:PORT", "[IPV6]:PORT", with https:// or without; None where there is no address.

    Raises `AccessFailed` where it is none of these.
    """
    text = text.strip()
    if text in NOWHERE:
        return None
    if _BARE_V6.fullmatch(text):
        return text, PORT
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3] or PORT) > 65_535:
        raise AccessFailed(
            "collector.kubelet.address: expected a host or an IP address of the node, with or without a port, got "
            f"{text[:MAX_SHOWN]!r}"
        )
    return found[1] or found[2], int(found[3] or PORT)


def token(path: str) -> bytes:
    """The bearer token in the file `path`. Raises `AccessFailed`.

    Read for each request: it is small, and is replaced every hour or so.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_TOKEN_BYTES + 1).strip()
    except OSError as error:
        raise AccessFailed(
            f"{path}: expected the token to show to the kubelet: {error.strerror}; give collector.kubelet.token-file, "
            "or a client certificate"
        ) from error
    # The content of the file is shown nowhere.
    if len(text) > MAX_TOKEN_BYTES or not _TOKEN.fullmatch(text):
        raise AccessFailed(f"{path}: expected one token of printable ASCII, found {len(text)} bytes that are none")
    return text


def files_mark(access: Access) -> tuple[Stamp | None, ...]:
    """What changes when one of the certificates' files does."""
    return tuple(_mark(path) for path in (access.ca_file, access.client_certificate, access.client_key))


def _mark(path: str) -> Stamp | None:
    try:
        return stamp(os.stat(path))
    except OSError:
        return None


def context(access: Access) -> ssl.SSLContext:
    """The TLS client that `access` asks for. Raises `AccessFailed`, naming the file that cannot be used."""
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif access.ca_file:
        try:
            made.load_verify_locations(access.ca_file)
        except OSError as error:
            raise AccessFailed(
                f"{access.ca_file}: expected the CA that signed the kubelet's certificate, in PEM: {reason(error)}; "
                "give collector.kubelet.ca-file"
            ) from error
    else:
        made.load_default_certs()
    if access.client_certificate:
        try:
            made.load_cert_chain(access.client_certificate, access.client_key or None, password=_no_password)
        except (OSError, ValueError) as error:
            where = " and ".join(path for path in (access.client_certificate, access.client_key) if path)
            raise AccessFailed(
                f"{where}: expected a client certificate and its unencrypted key, in PEM: {reason(error)}"
            ) from error
    return made


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def reason(error: BaseException) -> str:
    """What an error says, in few words."""
    return str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error)[:MAX_REASON_CHARACTERS]
