"""Basic authentication against bcrypt hashes.

Source: RFC 7617; exporter-toolkit's docs/web-configuration.md, "About bcrypt".
"""

from __future__ import annotations

import binascii
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import bcrypt

from nodescope.web.message import Response, text

MAX_VERIFIED: Final = 256
MAX_CREDENTIAL_BYTES: Final = 1024
BCRYPT_WAIT_S: Final = 1.0
MAX_WAITING: Final = 1
BCRYPT_PASSWORD_BYTES: Final = 72

_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="nodescope", charset="UTF-8"'),)


class Users:
    """Who may enter. A pair that was right is known again by a keyed digest; the password itself is not kept.

    One bcrypt runs at a time and one request waits for it, so guessing takes one core and two workers at most.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in hashes.items()}
        self._nobody = _costliest(self._hashes.values())
        self._digest_key = os.urandom(hashlib.blake2b.MAX_KEY_SIZE)
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._bcrypt = threading.Lock()
        self._waiting = threading.Semaphore(MAX_WAITING + 1)

    def refusal(self, authorization: str | None) -> Response | None:
        """The answer to someone who may not enter, None for who may. `authorization`: the header field."""
        credentials = _credentials(authorization)
        if credentials is None:
            return _unauthorized()
        user, password = credentials
        digest = self._digest(user, password)
        if self._is_verified(digest):
            return None
        right = self._check(user, password)
        if right is None:
            return text(503, "too many passwords are being checked, try again later", (("Retry-After", "1"),))
        if not right:
            return _unauthorized()
        self._remember(digest)
        return None

    def _check(self, user: bytes, password: bytes) -> bool | None:
        """Whether the pair is right, after the same work for a user that is not there. None: no time for it."""
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            if not self._bcrypt.acquire(timeout=BCRYPT_WAIT_S):
                return None
            try:
                same = _is_password(password, self._hashes.get(user, self._nobody))
            finally:
                self._bcrypt.release()
        finally:
            self._waiting.release()
        return same and user in self._hashes

    def _digest(self, user: bytes, password: bytes) -> bytes:
        hashed = self._hashes.get(user, b"")
        parts = b"".join(len(part).to_bytes(4, "big") + part for part in (user, hashed, password))
        return hashlib.blake2b(parts, key=self._digest_key, digest_size=32).digest()

    def _is_verified(self, digest: bytes) -> bool:
        with self._lock:
            if digest not in self._verified:
                return False
            self._verified.move_to_end(digest)
            return True

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._verified[digest] = None
            if len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)


def _credentials(authorization: str | None) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIAL_BYTES:
        return None
    try:
        decoded = binascii.a2b_base64(encoded.strip(), strict_mode=True)
    except ValueError:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


def _is_password(password: bytes, hashed: bytes) -> bool:
    # bcrypt looks at so many bytes and takes no NUL.
    usable = password[:BCRYPT_PASSWORD_BYTES].replace(b"\0", b"")
    try:
        return bcrypt.checkpw(usable, hashed) and b"\0" not in password
    except ValueError:
        # Letters that look like a hash and are none: no password is right for it.
        return False


def _unauthorized() -> Response:
    return text(401, "a user name and password are needed", _CHALLENGE)


def _costliest(hashes: Iterable[bytes]) -> bytes:
    """The hash that takes longest: its cost is the 12 of "$2b$12$..."."""
    return max(hashes, key=lambda hashed: hashed.split(b"$")[2])
