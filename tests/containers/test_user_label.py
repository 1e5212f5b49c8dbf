"""Users by labels."""

from __future__ import annotations

import pytest

from nodescope.containers.user_label import labelled_user


@pytest.mark.parametrize(
    ("labels", "user"),
    [
        ({}, None),
        ({"ds01.user": "ada", "aime.mlc.USER": "bob"}, "ada"),
        ({"ds01.user": "", "aime.mlc.USER": "bob"}, "bob"),
        ({"ds01.user": "ada.l@example.org"}, "ada.l@example.org"),
        ({"ds01.user": "EXAMPLE\\ada"}, "EXAMPLE\\ada"),
        ({"ds01.user": "a" * 64}, "a" * 64),
        ({"ds01.user": "a" * 65}, None),
        ({"ds01.user": "ada\n"}, None),
        ({"ds01.user": "ada\u202eb"}, None),
        ({"ds01.user": "a b"}, None),
        ({"ds01.users": "ada"}, None),
    ],
)
def test_labels_of_users(labels: dict[str, str], user: str | None) -> None:
    """The first label that has a user's name counts; what is too long or no name is none."""
    assert labelled_user(labels) == user
