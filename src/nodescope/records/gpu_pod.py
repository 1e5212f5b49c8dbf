"""Which pod the kubelet gave a GPU to."""

from __future__ import annotations

import msgspec


class GpuPod(msgspec.Struct, frozen=True, kw_only=True):
    """A container of a pod, and a GPU or partition that the kubelet gave it. `uuid`: that of the GPU or partition.

    `share`: which of the shares of the GPU it was given ("0"), "" where it has it for itself.
    """

    uuid: str
    name: str
    namespace: str
    container: str
    share: str = ""
