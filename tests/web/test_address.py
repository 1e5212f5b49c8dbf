"""Addresses and sockets to listen on."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.web.address import Address, AddressError, BindError, UnixSocket, bind, name, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9100", Address("127.0.0.1", 9100)),
        ("node1.example:0", Address("node1.example", 0)),
        (":9100", Address("", 9100)),
        ("[::1]:9100", Address("::1", 9100)),
        ("[::]:9100", Address("::", 9100)),
        ("unix:/run/nodescope.sock", Address("", 0, "/run/nodescope.sock")),
        ("vsock://:4294967294", Address("", 4294967294, vsock=True)),
        ("vsock:9100", Address("vsock", 9100)),
    ],
)
def test_addresses_that_are_understood(text: str, address: Address) -> None:
    """Each form is read, and written back as it was."""
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "9100", "host:", "host:http", "host:65536", "host:-1", "host:1 ", "::1:9100", "[::1:9100", "h\nost:1",
     "h ost:1", "host:\u0661", "unix:", "unix:" + "a" * 108, "unix:a\0b", "vsock://:", "vsock://:4294967295",
     "vsock://2:9100", "unix:@nodescope"],
)  # fmt: skip
def test_addresses_that_are_refused(text: str) -> None:
    """What is no address is refused in one sentence that says what was expected."""
    with pytest.raises(AddressError, match=r"expected|brackets"):
        parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1:9100,127.0.0.1:9101", "http://127.0.0.1:9100", "node1:9100:9101"])
def test_what_is_not_one_address_is_no_ipv6(text: str) -> None:
    """Several addresses in one word, and a URL, are not advised to be put into the brackets of IPv6."""
    with pytest.raises(AddressError, match="is not one address: expected HOST:PORT"):
        parse(text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """No text raises anything but the refusal, and what is read is written back as something that reads the same."""
    try:
        address = parse(text)
    except AddressError:
        return
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("wide", "other", "included"),
    [
        (":9100", "127.0.0.1:9100", True),
        (":9100", "[::1]:9100", True),
        ("[::]:9100", "0.0.0.0:9100", True),
        ("0.0.0.0:9100", "10.0.0.1:9100", True),
        ("0.0.0.0:9100", "[::1]:9100", False),
        (":9100", "127.0.0.1:9101", False),
        (":0", "127.0.0.1:0", False),
        ("127.0.0.1:9100", ":9100", False),
        (":9100", "unix:/run/a.sock", False),
        ("unix:/run/a.sock", ":9100", False),
        ("vsock://:9100", "127.0.0.1:9100", False),
        (":9100", "vsock://:9100", False),
    ],
)
def test_every_interface_includes_each(wide: str, other: str, included: bool) -> None:
    """Every interface of a port includes each one of it, of its families; a free port is another each time."""
    assert parse(wide).includes(parse(other)) is included


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:0", "[::1]:0", ":0"])
def test_a_bound_address_answers(text: str) -> None:
    """A socket listens on the address asked for, on a port that its name tells."""
    try:
        sock = bind(parse(text))
    except BindError as error:
        pytest.skip(f"no such interface on this machine: {error}")
    with sock:
        port = int(name(sock).rpartition(":")[2])
        host = {"[::1]:0": "::1"}.get(text, "127.0.0.1" if text != "localhost:0" else sock.getsockname()[0])
        socket.create_connection((host, port), timeout=5).close()
        assert not sock.getblocking()


def test_every_interface_is_served_for_both_families() -> None:
    """A port without a host answers to IPv4 and, where there is IPv6, to IPv6."""
    with bind(parse(":0")) as sock:
        for host in ("127.0.0.1", "::1") if sock.family == socket.AF_INET6 else ("127.0.0.1",):
            socket.create_connection((host, sock.getsockname()[1]), timeout=5).close()


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    """A taken port gives one sentence with the address and the setting to change."""
    with bind(parse("127.0.0.1:0")) as sock:
        taken = name(sock)
        with pytest.raises(BindError) as caught:
            bind(parse(taken))
    assert str(caught.value) == (
        f"{taken} is in use by another program; stop it or choose another address with --web.listen-address"
    )


@pytest.mark.parametrize(("first", "second"), [("127.0.0.1", ""), ("", "127.0.0.1"), ("127.0.0.1", "localhost")])
def test_a_place_that_is_being_left_can_be_taken(first: str, second: str) -> None:
    """Beside a socket of ours that is closed soon the same port is bound; after that nobody else can have it."""
    with bind(parse(f"{first}:0")) as before:
        port = before.getsockname()[1]
        with bind(parse(f"{second}:{port}"), [before]) as after:
            before.close()
            socket.create_connection(("localhost", port), timeout=5).close()
            assert after.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
            with pytest.raises(BindError, match="in use by another program"):
                bind(parse(f"{second}:{port}"))


def test_what_is_being_left_is_as_it_was_where_another_has_the_port() -> None:
    """Where the port is another's too the error says so, and the socket that was to be left shares nothing."""
    with bind(parse("127.0.0.2:0")) as before:
        port = before.getsockname()[1]
        with bind(parse(f"127.0.0.1:{port}")):
            with pytest.raises(BindError, match="in use by another program"):
                bind(parse(f":{port}"), [before])
            assert before.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1:9100", "no interface of this machine"),
        ("no-such-host.invalid:9100", "has no address"),
        ("unix:/nonexistent/a.sock", "directory does not exist"),
        ("." * 70 + ":9100", "cannot be served on|has no address"),
    ],
)
def test_what_cannot_be_bound_says_why(text: str, message: str) -> None:
    """An address of another machine, an unknown name and a missing directory each say so."""
    with pytest.raises(BindError, match=message):
        bind(parse(text))


READ_ONLY = """
import sys
from nodescope.web.address import BindError, bind, parse
try:
    bind(parse(f"unix:{sys.argv[1]}/a.sock"))
except BindError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_unix_socket_on_a_read_only_file_system_says_so(tmp_path: Path) -> None:
    """It says that the file system is read-only and where to go instead."""
    script = 'mount -t tmpfs -o ro none "$1" && exec "$2" -c "$3" "$1"'
    argv = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable, READ_ONLY]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr)
    said = f"unix:{tmp_path}/a.sock: the file system is read-only; choose another path, in /run for one\n"
    assert (done.stdout, done.stderr) == (said, "")


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    """A unix socket has mode 0660, whatever the umask, and its file goes with it."""
    path = tmp_path / "a.sock"
    before = os.umask(0o077)
    try:
        sock = bind(parse(f"unix:{path}"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert name(sock) == f"unix:{path}"
    sock.close()
    sock.close()
    assert not path.exists()


def test_a_link_in_the_place_of_a_unix_socket_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the directory can exchange the socket's file before its mode is set: what a link leads to keeps its."""
    precious = tmp_path / "precious"
    precious.touch(0o600)
    path = tmp_path / "a.sock"
    bind_it = UnixSocket.bind

    def exchange(sock: UnixSocket, address: str) -> None:
        bind_it(sock, address)
        path.unlink()
        path.symlink_to(precious)

    monkeypatch.setattr(UnixSocket, "bind", exchange)
    with pytest.raises(BindError, match="another file has taken its place"):
        bind(parse(f"unix:{path}"))
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody answers on gives way."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with bind(parse(f"unix:{path}")):
        assert path.is_socket()


def test_a_unix_socket_in_use_stays(tmp_path: Path) -> None:
    """A socket that someone answers on is not taken away, neither at the start nor at the end of another."""
    path = tmp_path / "a.sock"
    first = bind(parse(f"unix:{path}"))
    with pytest.raises(BindError, match="in use by another program"):
        bind(parse(f"unix:{path}"))
    path.unlink()
    with bind(parse(f"unix:{path}")):
        first.close()
        assert path.is_socket()


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    """A path that is no socket is left alone, and named."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="is no socket"):
        bind(parse(f"unix:{path}"))
    assert path.read_text() == "data"


def test_a_socket_between_machine_and_host() -> None:
    """It listens under its own name, beside a socket of another family that shares its port for a while."""
    try:
        first = bind(parse("vsock://:0"))
    except BindError as error:
        pytest.skip(f"this kernel has no such sockets: {error}")
    with first, bind(parse("127.0.0.1:0")) as other:
        assert parse(name(first)).vsock
        assert name(first) == f"vsock://:{first.getsockname()[1]}"
        with pytest.raises(BindError, match="in use"):
            bind(parse(name(first)))
        with bind(parse(name(other).replace("127.0.0.1", "0.0.0.0")), [first, other]) as wide:
            assert wide.getsockname()[1] == other.getsockname()[1]
