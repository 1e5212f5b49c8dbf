"""What the GPU child says to its parent: msgpack maps in frames, over a pipe.

A frame is its length in bytes (4, big-endian) and a msgpack map whose `type` says which of the classes here it is. The
child writes plain dicts with the same keys; the parent decodes them into these records, and what does not fit is a
broken child. Keys that are left out are unknown.

The parent gives the child its options as one JSON object, the last argument of its command line (`Options`). When the
child's standard input ends, its parent is gone or wants it to end: it exits at once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from nodescope.records.gpu import GpuIdentity, GpuReport, InstanceIdentity

LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`library`: path or name of the driver's library. `skip`: calls not to make, for they hung: GPU's UUID -> NVML
    names, "*" for every call that reads it."""

    interval_seconds: float = 1.0
    library: str = "libnvidia-ml.so.1"
    skip: dict[str, tuple[str, ...]] = {}
    processes: bool = True
    profiling: bool = True


class SimulatedOptions(Options, frozen=True, kw_only=True):
    """`simulate`: what a simulation tells its own child, which speaks these frames too."""

    simulate: dict[str, object]


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The library is loaded and initialised."""

    pid: int
    driver_version: str | None = None
    library_version: str | None = None
    cuda_version: str | None = None


class Unopened(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that the driver counts and has never let be opened, so that its index is all that is known of it,
    or not even that.

    `state`: as that of a `GpuReport`. `reason`: the call and what it said.
    """

    index: int | None
    state: str
    reason: str


class Inventory(msgspec.Struct, frozen=True, kw_only=True, tag="inventory"):
    """What is there now. Sent after `hello` and whenever it changes; `generation` counts up from 1 in each child.

    A GPU that was lost stays in the inventory while the driver still lists it.
    """

    generation: int
    gpus: tuple[GpuIdentity, ...] = ()
    instances: tuple[InstanceIdentity, ...] = ()
    unopened: tuple[Unopened, ...] = ()


class Sample(msgspec.Struct, frozen=True, kw_only=True, tag="sample"):
    """A report of each GPU of the inventory, once each interval, whether or not all of them answered in time."""

    number: int
    generation: int
    reports: tuple[GpuReport, ...] = ()
    cpu_seconds: float = 0.0


class Xid(msgspec.Struct, frozen=True, kw_only=True, tag="xid"):
    """An XID that arrived as an NVML event. `time_seconds`: Unix time. Instance ids are None for the whole GPU."""

    uuid: str
    xid: int
    time_seconds: float
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """The child cannot go on, and ends after this. `code`: NVML's return code, or -1. `call`: what failed.

    `no_library`: the driver's library is not installed, so there is no use in trying again soon.
    """

    code: int
    call: str
    text: str
    no_library: bool = False


Frame = Hello | Inventory | Sample | Xid | Failure
