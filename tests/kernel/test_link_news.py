from __future__ import annotations

import gc
import os

import pytest

from nodescope.kernel.link_news import LinkNews
from tests.kernel.network_namespace import in_a_network_namespace, ip


def test_news_of_links() -> None:
    """There is news at first, none as long as nothing changes, and once after any number of changes."""

    def told() -> list[bool]:
        news = LinkNews()
        found = [news.there_are(), news.there_are()]
        ip("link set lo name first")
        found += [news.there_are(), news.there_are()]
        for _ in range(20):
            ip("link set first up", "link set first down")
        return [*found, news.there_are(), news.there_are()]

    assert in_a_network_namespace(told) == [True, False, True, False, True, False]


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_nothing_stays_open(asked: int) -> None:
    """One that is dropped leaves no socket, whether it was asked or not."""
    before = os.listdir("/proc/self/fd")
    news = LinkNews()
    for _ in range(asked):
        news.there_are()
    del news
    gc.collect()
    assert os.listdir("/proc/self/fd") == before
