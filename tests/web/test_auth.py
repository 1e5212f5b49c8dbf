"""Basic authentication against bcrypt hashes."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.web.auth import MAX_VERIFIED, Users

HASH = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def status(users: Users, authorization: str | None) -> int:
    refusal = users.refusal(authorization)
    return 200 if refusal is None else refusal.status


@pytest.fixture
def users() -> Users:
    return Users({"alice": HASH, "zoë": HASH})


def test_the_right_password_enters(users: Users) -> None:
    """A user enters with his password, the first time and when it is known again; the scheme's case is no matter."""
    assert status(users, basic("alice", "wonderland")) == 200
    assert status(users, basic("alice", "wonderland").replace("Basic", "bASIC")) == 200
    assert status(users, basic("zoë", "wonderland")) == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"alice").decode(),
        "Bearer abc",
        basic("alice", ""),
        basic("alice", "Wonderland"),
        basic("alice", "wonderland\0"),
        basic("alice", "wonderland" * 20),
        basic("Alice", "wonderland"),
        basic("", "wonderland"),
        basic("mallory", "wonderland"),
        "Basic " + "QUJD" * 1000,
    ],
)
def test_anything_else_is_turned_away(users: Users, authorization: str | None) -> None:
    """Without the right pair the answer is 401 and asks for one; a right pair before changes nothing."""
    assert status(users, basic("alice", "wonderland")) == 200
    refusal = users.refusal(authorization)
    assert refusal is not None
    assert refusal.status == 401
    assert refusal.headers[0][0] == "WWW-Authenticate"
    assert refusal.headers[0][1].startswith("Basic realm=")


def test_only_the_first_72_bytes_count() -> None:
    """A password is as long as bcrypt looks at, as for every other program that reads these files."""
    users = Users({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
    assert status(users, basic("alice", "x" * 80)) == 200


def test_letters_that_are_no_hash_let_no_one_in() -> None:
    """A hash that bcrypt cannot read refuses everyone, and breaks nothing."""
    users = Users({"alice": "$2b$04$" + "." * 53, "bob": HASH})
    assert [status(users, basic("alice", "")), status(users, basic("bob", "wonderland"))] == [401, 200]


def test_the_password_is_not_kept(users: Users) -> None:
    """Of a pair that was right only a keyed digest stays."""
    assert status(users, basic("alice", "wonderland")) == 200
    kept = repr(vars(users))
    assert "wonderland" not in kept
    assert basic("alice", "wonderland").split()[1] not in kept


def test_what_is_remembered_is_bounded() -> None:
    """However many users come, so many pairs are remembered at most."""
    users = Users({f"user{number}": HASH for number in range(MAX_VERIFIED + 10)})
    for number in range(MAX_VERIFIED + 10):
        assert status(users, basic(f"user{number}", "wonderland")) == 200
    assert len(users._verified) == MAX_VERIFIED


@pytest.fixture
def slow_check() -> Iterator[tuple[Users, threading.Thread]]:
    """Users of whom one is being checked in a thread, for a second or so."""
    users = Users({"alice": HASH, "slow": "$2b$13$" + HASH[7:]})
    assert status(users, basic("alice", "wonderland")) == 200
    thread = threading.Thread(target=status, args=(users, basic("slow", "guess")))
    thread.start()
    while not users._bcrypt.locked():
        assert thread.is_alive()
    yield users, thread
    thread.join()


def test_guessing_keeps_no_one_out_who_is_known(slow_check: tuple[Users, threading.Thread]) -> None:
    """While a password is being checked, a known pair enters at once."""
    users, thread = slow_check
    assert status(users, basic("alice", "wonderland")) == 200
    assert thread.is_alive()


def test_guesses_do_not_pile_up(slow_check: tuple[Users, threading.Thread]) -> None:
    """While one password is checked one request waits; the next is told to come again, and does not wait."""
    users, thread = slow_check
    second = threading.Thread(target=status, args=(users, basic("alice", "guess")))
    second.start()
    while users._waiting._value:
        assert second.is_alive()
    assert status(users, basic("alice", "other guess")) == 503
    assert thread.is_alive()
    second.join()


@given(st.text(max_size=60))
@settings(max_examples=50)
def test_any_field_is_answered(text: str) -> None:
    """No header field raises anything."""
    assert status(Users({"alice": HASH}), text) in (200, 401)
    assert status(Users({"alice": HASH}), f"Basic {text}") in (200, 401)
