"""exporter-toolkit's web config file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.web import cipher_names
from nodescope.web.web_config import MAX_FILE_BYTES, RateLimit, WebConfig, WebConfigError, load, parse

HASH: Final = "$2y$10$QRGRVj4GZ1WjKnGzAzq8YeDgR5VxCWkEf2LHg3TBR2h9sK1H6CvWa"
PAIR: Final = "tls_server_config:\n  cert_file: a.crt\n  key_file: /k/a.key\n"

WITHOUT_BCRYPT: Final = """
import sys
sys.modules["bcrypt"] = None
from nodescope.web.web_config import WebConfigError, load
try:
    load(sys.argv[1])
except WebConfigError as error:
    print(error)
"""


def read(text: str) -> WebConfig:
    return parse(text.encode(), "/etc/web.yml")


def test_an_empty_file_asks_for_nothing() -> None:
    """Without any key there is no TLS, no user, no limit and no header field."""
    assert read("") == WebConfig("/etc/web.yml")
    assert read("tls_server_config:\nbasic_auth_users:\nrate_limit:\nhttp_server_config: ~\n") == read("")


def test_every_key_is_understood() -> None:
    """A file with all keys is read, with relative paths from its own directory."""
    config = read(
        PAIR + "  client_ca_file: ca/clients.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
        "  client_allowed_sans: [prometheus.example, 10.0.0.1]\n  min_version: TLS12\n  max_version: TLS13\n"
        "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"
        "  prefer_server_cipher_suites: false\n  curve_preferences: [X25519, CurveP256]\n"
        "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n"
        "    Strict-Transport-Security: max-age=31536000; includeSubDomains\n    Content-Security-Policy: ''\n"
        f"basic_auth_users:\n  alice: {HASH}\n  yes: {HASH}\nrate_limit:\n  interval: 1s\n  burst: 20\n"
    )
    tls = config.tls
    assert tls is not None
    assert tls.files == ("/etc/a.crt", "/k/a.key", "/etc/ca/clients.pem")
    assert (tls.client_auth_type, tls.client_allowed_sans) == (
        "RequireAndVerifyClientCert",
        ("prometheus.example", "10.0.0.1"),
    )
    assert (tls.prefer_server_cipher_suites, tls.curve_preferences) == (False, ("X25519", "CurveP256"))
    assert config.headers == (
        ("X-Frame-Options", "deny"),
        ("X-XSS-Protection", "1"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    )
    assert set(config.users) == {"alice", "yes"}
    assert config.rate_limit == RateLimit(1.0, 20)


def test_inline_material_is_understood() -> None:
    """Certificate, key and client CA may stand in the file, and the key is never shown."""
    config = read(
        "tls_server_config:\n  cert: CERT\n  key: KEY\n  client_ca: CA\n  client_auth_type: VerifyClientCertIfGiven\n"
    )
    assert config.tls is not None
    assert (config.tls.cert, config.tls.key, config.tls.client_ca, config.tls.files) == ("CERT", "KEY", "CA", ())
    assert "KEY" not in repr(config)
    assert HASH not in repr(read(f"basic_auth_users: {{alice: {HASH}}}"))


@pytest.mark.parametrize("kind", ["NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven",
                                  "RequireAndVerifyClientCert"])  # fmt: skip
def test_client_auth_types(kind: str) -> None:
    """Go's names are taken, those that check without a CA by the CAs of the machine."""
    config = read(f"{PAIR}  client_auth_type: {kind}\n")
    assert config.tls is not None
    assert config.tls.client_auth_type == kind


def test_an_empty_client_auth_type_asks_for_no_certificate() -> None:
    """An empty type is NoClientCert, as in exporter-toolkit, and still refused beside a client CA."""
    assert read(f"{PAIR}  client_auth_type: ''\n") == read(PAIR)
    with pytest.raises(WebConfigError, match="expected one that checks by the client CA"):
        read(f"{PAIR}  client_auth_type: ''\n  client_ca_file: ca.pem\n")


def test_sections_may_merge_others() -> None:
    """`<<` works in every section; a user is named but once, whether merged or not."""
    config = read(
        "tls_server_config:\n  <<: [&a {cert_file: a.crt}, {key_file: /k/a.key, <<: *a}]\n"
        f"basic_auth_users:\n  <<: {{alice: {HASH}}}\n  bob: {HASH}\n"
    )
    assert config.tls == read(PAIR).tls
    assert set(config.users) == {"alice", "bob"}
    with pytest.raises(WebConfigError, match=r"basic_auth_users\.alice \(line 3\): the key is there twice"):
        read(f"basic_auth_users:\n  <<: {{alice: {HASH}}}\n  alice: {HASH}\n")


@pytest.mark.parametrize("suite", [*cipher_names.OPENSSL, *cipher_names.TLS13])
def test_cipher_names(suite: str) -> None:
    """Each suite that Go offers is taken by its name."""
    config = read(f"{PAIR}  cipher_suites: [{suite}]\n")
    assert config.tls is not None
    assert config.tls.cipher_suites == (suite,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_config: {}", r"tls_config \(line 1\): unknown key"),
        ("tls_server_config:\n  cert_filse: a", "tls_server_config.cert_filse .*unknown key"),
        ("tls_server_config:\n  min_version: TLS13", "expected cert or cert_file"),
        ("tls_server_config:\n  cert_file: ''\n  key_file: a", "expected cert or cert_file"),
        ("tls_server_config:\n  cert_file: a", "expected key or key_file"),
        (PAIR + "  cert: x", "cert and cert_file are both there"),
        (PAIR + "  client_auth_type: Sometimes", "expected one of NoClientCert"),
        (PAIR + "  client_ca_file: a", "client_auth_type: expected one that checks"),
        (PAIR + "  client_ca: a\n  client_auth_type: NoClientCert", "client_auth_type: expected one that checks"),
        (PAIR + "  client_allowed_sans: [a]", "NoClientCert checks no certificate"),
        (PAIR + "  client_allowed_sans: [a]\n  client_auth_type: RequestClientCert", "checks no certificate"),
        (PAIR + "  client_auth_type: RequireAnyClientCert", "which this server cannot"),
        (PAIR + "  min_version: TLS14", "expected one of TLS10"),
        (PAIR + "  min_version: TLS13\n  max_version: TLS12", "above max_version"),
        (PAIR + "  min_version: TLS10\n  max_version: TLS11", "expected TLS12 or TLS13"),
        (PAIR + "  cipher_suites: [TLS_NULL]", "expected one of TLS_ECDHE"),
        (PAIR + "  curve_preferences: [CurveP257]", "expected one of CurveP256"),
        (PAIR + "  prefer_server_cipher_suites: 2", "expected true or false"),
        ("http_server_config:\n  headers: {Content-Type: a}", "Content-Type .*unknown key"),
        ("http_server_config:\n  headers: {x-frame-options: deny}", "unknown key"),
        ("http_server_config:\n  headers: {X-Frame-Options: foo}", "expected deny or sameorigin"),
        ("http_server_config:\n  headers: {X-Content-Type-Options: sniff}", "expected nosniff"),
        ('http_server_config:\n  headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: a"}', "printable ASCII"),
        ("basic_auth_users: {john: doe}", 'bcrypt hash .*user "john"'),
        (f"basic_auth_users: {{'': {HASH}}}", "bcrypt hash"),
        (f"basic_auth_users: {{john: {HASH.replace('$10$', '$31$')}}}", "cost 31; expected 4 to 18"),
        (f"basic_auth_users: {{john: {HASH.replace('$10$', '$03$')}}}", "cost 03"),
        (f"basic_auth_users: {{john: {HASH}, john: {HASH}}}", "twice"),
        ("rate_limit: {interval: fast}", "expected a duration"),
        ("rate_limit: {burst: -1}", "expected a whole number"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    """Each mistake is one sentence that names the file, and shows no secret."""
    with pytest.raises(WebConfigError, match=message) as caught:
        read(text)
    assert str(caught.value).startswith("/etc/web.yml: ")
    assert "\n" not in str(caught.value)
    assert HASH[10:] not in str(caught.value)


def test_a_client_ca_makes_any_certificate_a_checked_one() -> None:
    """RequireAnyClientCert, and its old name, are taken where there is a CA to check by."""
    for kind in ("RequireAnyClientCert", "RequireClientCert"):
        config = read(f"{PAIR}  client_ca_file: ca.pem\n  client_auth_type: {kind}\n")
        assert config.tls is not None
        assert config.tls.client_auth_type == kind


@pytest.mark.parametrize("name", ["missing.yml", "folder", "large.yml", "with\0nul"])
def test_files_that_cannot_be_read_say_why(tmp_path: Path, name: str) -> None:
    """A missing file, a directory and an endless file are each named."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "large.yml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(WebConfigError, match=r"cannot be read|is longer than"):
        load(os.path.join(tmp_path, name))


def test_users_without_bcrypt_are_an_error(tmp_path: Path) -> None:
    """Where passwords cannot be checked the file is refused: no one is let in unchecked."""
    path = tmp_path / "web.yml"
    path.write_text(f"basic_auth_users: {{alice: {HASH}}}")
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_BCRYPT, str(path)], capture_output=True, text=True, check=True, timeout=30
    )
    assert "needs the package bcrypt, which is not installed; install nodescope[auth]" in found.stdout
    assert load(str(path)).users["alice"] == HASH


TOKENS: Final = (
    "tls_server_config:", "http_server_config:", "basic_auth_users:", "rate_limit:", "\n", "  ", "cert: a", "key: b",
    "headers:", "<<:", "burst: 1", "interval: 1s", "alice: x", "- ", "[", "}", "&a", "*a", "http2: no",
)  # fmt: skip


@given(st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(TOKENS), max_size=12).map("".join).map(str.encode)))
def test_any_bytes_are_a_config_or_refused(raw: bytes) -> None:
    """No bytes raise anything but the refusal."""
    try:
        assert parse(raw, "web.yml").path == "web.yml"
    except WebConfigError:
        return
