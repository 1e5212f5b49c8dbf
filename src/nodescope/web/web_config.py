"""exporter-toolkit's web config file: TLS, client certificates, users, header fields, rate limit.

Source: prometheus/exporter-toolkit, docs/web-configuration.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from nodescope.web import cipher_names
from nodescope.web.stamp import Stamp, stamp
from nodescope.web.strict_yaml import (
    Node,
    Read,
    Secret,
    Unreadable,
    boolean,
    choice,
    count,
    duration,
    keys,
    pairs,
    root,
    secret,
    sequence,
    text,
)

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_BCRYPT_COST: Final = 18

CLIENT_AUTH_TYPES: Final = (
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
    "RequireClientCert",
)
"""Go's names, and exporter-toolkit's old one for RequireAnyClientCert."""
TLS_VERSIONS: Final = ("TLS10", "TLS11", "TLS12", "TLS13")

_HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_HEADER_TEXT: Final = re.compile(r"[\t\x20-\x7e]*")
_BCRYPT: Final = re.compile(r"\$2[abxy]?\$([0-9][0-9])\$[./A-Za-z0-9]{53}")
_MIN_BCRYPT_COST: Final = 4


class WebConfigError(Exception):
    """The file cannot be used. One sentence naming the file, the key and what was expected."""


class TlsConfig(msgspec.Struct, frozen=True):
    """`tls_server_config`; paths are as the process reaches them, names as Go spells them."""

    cert: str = ""
    key: Secret = Secret("")
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path)


class RateLimit(msgspec.Struct, frozen=True):
    """`rate_limit`: one more request each `interval_s` seconds (0: no limit), and `burst` at once."""

    interval_s: float = 0.0
    burst: int = 0


class WebConfig(msgspec.Struct, frozen=True):
    """The whole file. `tls` is None where it asks for none. `users`: name to bcrypt hash. `stamp`: how the file looked
    before it was read, None where it was not read from one."""

    path: str
    tls: TlsConfig | None = None
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, Secret] = {}
    rate_limit: RateLimit = RateLimit()
    stamp: Stamp = None


def load(path: str) -> WebConfig:
    """The config in the file `path`. Raises `WebConfigError`, also where it names users and bcrypt is missing."""
    looks = stamp(path)
    config = msgspec.structs.replace(parse(read(path, "the file", path), path), stamp=looks)
    if config.users:
        _require_bcrypt(path)
    return config


def read(path: str, what: str, config_path: str) -> bytes:
    """The bytes of a file that the config is made of. Raises `WebConfigError`."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        where = f"{config_path}: " if path != config_path else ""
        raise WebConfigError(f"{where}{what} {path} cannot be read: {reason}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise WebConfigError(f"{config_path}: {what} {path} is longer than {MAX_FILE_BYTES} bytes")
    return raw


def parse(raw: bytes, path: str) -> WebConfig:
    """The config in `raw`; `path` names it, and relative paths in it start from its directory.

    Raises `WebConfigError`.
    """
    try:
        found = keys(root(raw), "", _SECTIONS)
        http, limit = found.get("http_server_config", {}), found.get("rate_limit", {})
        return WebConfig(
            path,
            _tls(found.get("tls_server_config", {}), os.path.dirname(path)),
            http.get("headers", ()),
            found.get("basic_auth_users", {}),
            RateLimit(limit.get("interval", 0.0), limit.get("burst", 0)),
        )
    except Unreadable as error:
        raise WebConfigError(f"{path}: {error}") from error


def _tls(given: dict[str, Any], directory: str) -> TlsConfig | None:
    """Raises `Unreadable` for what cannot be served, or would be less safe than it reads."""
    if not given:
        return None
    for name in ("cert_file", "key_file", "client_ca_file"):
        if given.get(name):
            given[name] = os.path.join(directory, given[name])
    tls = TlsConfig(**given)
    for inline in ("cert", "key", "client_ca"):
        if getattr(tls, inline) and getattr(tls, f"{inline}_file"):
            raise Unreadable(f"tls_server_config: {inline} and {inline}_file are both there; keep one")
    for inline in ("cert", "key"):
        if not (getattr(tls, inline) or getattr(tls, f"{inline}_file")):
            raise Unreadable(f"tls_server_config: expected {inline} or {inline}_file")
    if tls.min_version > tls.max_version:
        raise Unreadable(f"tls_server_config: min_version {tls.min_version} is above max_version {tls.max_version}")
    if tls.max_version < "TLS12":
        raise Unreadable(f"tls_server_config.max_version: expected TLS12 or TLS13, got {tls.max_version}")
    _check_client_auth(tls)
    return tls


def _check_client_auth(tls: TlsConfig) -> None:
    kind = tls.client_auth_type
    has_ca = bool(tls.client_ca or tls.client_ca_file)
    if has_ca and kind == "NoClientCert":
        raise Unreadable("tls_server_config.client_auth_type: expected one that checks by the client CA given")
    if tls.client_allowed_sans and kind in ("NoClientCert", "RequestClientCert"):
        raise Unreadable(
            f"tls_server_config.client_allowed_sans: {kind} checks no certificate; expected RequireAndVerifyClientCert"
        )
    if kind in ("RequireAnyClientCert", "RequireClientCert") and not has_ca:
        # OpenSSL as Python has it cannot ask for a certificate without checking it.
        raise Unreadable(
            f"tls_server_config.client_auth_type: {kind} lets in whoever made a certificate for himself, which this"
            " server cannot; expected RequireAndVerifyClientCert, or a client CA to check by"
        )


def _client_auth_type(node: Node, key: str) -> str:
    """Source: exporter-toolkit's ConfigToTLSConfig, for which an empty one is none."""
    return choice(CLIENT_AUTH_TYPES)(node, key) if text(node, key) else "NoClientCert"


def _headers(node: Node, key: str) -> tuple[tuple[str, str], ...]:
    found = keys(node, key, dict.fromkeys(_HEADERS, text), once=True)
    for name, value in found.items():
        allowed = _HEADERS[name]
        if allowed and value not in allowed:
            raise Unreadable(f'{key}.{name}: expected {" or ".join(allowed)}, got "{value[:60]}"')
        if _HEADER_TEXT.fullmatch(value) is None:
            raise Unreadable(f"{key}.{name}: expected printable ASCII on one line")
    return tuple((name, value) for name, value in found.items() if value)


def _users(node: Node, key: str) -> dict[str, Secret]:
    return {name: _hash(name, secret(value, f"{key}.{name}"), key) for name, value in pairs(node, key)}


def _hash(name: str, value: Secret, key: str) -> Secret:
    found = _BCRYPT.fullmatch(value)
    if not name or found is None:
        raise Unreadable(f'{key}: expected a bcrypt hash ("htpasswd -nBC 10 USER") for user "{name[:60]}"')
    if not _MIN_BCRYPT_COST <= int(found[1]) <= MAX_BCRYPT_COST:
        expected = f"{_MIN_BCRYPT_COST} to {MAX_BCRYPT_COST}"
        raise Unreadable(f'{key}: the hash of user "{name[:60]}" has cost {found[1]}; expected {expected}')
    return value


def _section(table: Mapping[str, Read]) -> Read:
    return lambda node, key: keys(node, key, table)


_SECTIONS: Final[dict[str, Read]] = {
    "tls_server_config": _section(
        {
            "cert": text,
            "key": secret,
            "client_ca": text,
            "cert_file": text,
            "key_file": text,
            "client_ca_file": text,
            "client_auth_type": _client_auth_type,
            "client_allowed_sans": sequence(text),
            "min_version": choice(TLS_VERSIONS),
            "max_version": choice(TLS_VERSIONS),
            "cipher_suites": sequence(choice((*cipher_names.OPENSSL, *sorted(cipher_names.TLS13)))),
            "prefer_server_cipher_suites": boolean,
            "curve_preferences": sequence(choice(tuple(cipher_names.CURVES))),
        }
    ),
    # http2 is accepted and changes nothing: HTTP/1.1 is what every scraper speaks.
    "http_server_config": _section({"http2": boolean, "headers": _headers}),
    "basic_auth_users": _users,
    "rate_limit": _section({"interval": duration, "burst": count}),
}


def _require_bcrypt(path: str) -> None:
    """Without bcrypt no password can be checked, and no one is to be let in unchecked."""
    try:
        import bcrypt  # noqa: F401
    except ImportError as error:
        raise WebConfigError(
            f"{path}: basic_auth_users needs the package bcrypt, which is not installed; install nodescope[auth]"
        ) from error
