"""Local storage of the node and of its pods, as the kubelet tells it at `/stats/summary`. Pure: bytes in, records out.

Source: the kubelet's stats API, v1alpha1 Summary. Every number in it may be absent.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec

from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.kubelet.pods import MAX_PODS, Name
from nodescope.kernel.file import Malformed
from nodescope.records.kubelet import NodeEphemeralStorage, PodEphemeralStorage

SUMMARY: Final = "/stats/summary"
NULL: Final = msgspec.Raw(b"null")
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Filesystem(msgspec.Struct, rename="camel"):
    used_bytes: Bytes | None = None
    available_bytes: Bytes | None = None
    capacity_bytes: Bytes | None = None


class _Node(msgspec.Struct, rename="camel"):
    node_name: Name | None = None
    fs: msgspec.Raw = NULL


class _Reference(msgspec.Struct):
    name: Name
    namespace: Name


class _Pod(msgspec.Struct):
    reference: _Reference = msgspec.field(name="podRef")
    storage: _Filesystem | None = msgspec.field(default=None, name="ephemeral-storage")


class _Summary(msgspec.Struct):
    node: msgspec.Raw = NULL
    pods: list[msgspec.Raw] | None = None


_SUMMARY: Final = msgspec.json.Decoder(_Summary)
_NODE: Final = msgspec.json.Decoder(_Node | None)
_FILESYSTEM: Final = msgspec.json.Decoder(_Filesystem | None)
_POD: Final = msgspec.json.Decoder(_Pod)


class Storage(NamedTuple):
    """`node`: None where its filesystem is not told of. `left_out`: pods, or the node, that were not as documented."""

    node: NodeEphemeralStorage | None
    pods: tuple[PodEphemeralStorage, ...]
    left_out: int


def decoded(body: bytes | bytearray, node: str | None, fallback: str) -> Storage:
    """The storage in a Summary. `node`: the node's name where it is known, else what the kubelet says, else `fallback`.

    What is told of a pod twice counts once. Raises `Malformed` where the whole is no Summary.
    """
    try:
        summary = _SUMMARY.decode(body)
    except BAD_JSON as error:
        raise Malformed(SUMMARY, f"{len(body)} bytes: {error}", "a stats Summary in JSON") from error
    told, node_left_out = _node(summary.node)
    name = node or told.node_name or fallback
    storage, fs_left_out = _filesystem(told.fs)
    pods, pods_left_out = _pods(summary.pods or [], name)
    found = None
    if storage is not None:
        found = NodeEphemeralStorage(
            node=name,
            used_bytes=storage.used_bytes,
            available_bytes=storage.available_bytes,
            capacity_bytes=storage.capacity_bytes,
        )
    return Storage(found, pods, node_left_out + fs_left_out + pods_left_out)


def _node(raw: msgspec.Raw) -> tuple[_Node, int]:
    try:
        return _NODE.decode(raw) or _Node(), 0
    except BAD_JSON:
        return _Node(), 1


def _filesystem(raw: msgspec.Raw) -> tuple[_Filesystem | None, int]:
    try:
        return _FILESYSTEM.decode(raw), 0
    except BAD_JSON:
        return None, 1


def _pods(items: list[msgspec.Raw], node: str) -> tuple[tuple[PodEphemeralStorage, ...], int]:
    left_out = max(len(items) - MAX_PODS, 0)
    found: dict[tuple[str, str], PodEphemeralStorage] = {}
    for item in items[:MAX_PODS]:
        try:
            told = _POD.decode(item)
        except BAD_JSON:
            left_out += 1
            continue
        if told.storage is None or told.storage.used_bytes is None:
            continue
        key = told.reference.namespace, told.reference.name
        left_out += key in found
        found.setdefault(
            key, PodEphemeralStorage(namespace=key[0], pod=key[1], node=node, used_bytes=told.storage.used_bytes)
        )
    return tuple(found.values()), left_out
