"""Records of one kind out of a snapshot's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def of_kind(records: Iterable[object], kind: type[T]) -> list[T]:
    """Those of `records` that are a `kind`, in order."""
    return [record for record in records if isinstance(record, kind)]
