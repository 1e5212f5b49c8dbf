"""Tests of the names of MIG profiles, and of how a GPU is divided."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.mig import ENABLED, MEBIBYTE, Slot, instances, layout, profile_in, profile_of
from tests.devices.nvidia.child.spoken import pointed_at, put, spoken

H100 = 81559 * MEBIBYTE
H200 = 143771 * MEBIBYTE


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("NVIDIA H200 MIG 1g.18gb", "1g.18gb"),
        ("NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb", "1c.3g.20gb"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", "1g.10gb+me"),
        ("NVIDIA H200", None),
        ("", None),
    ],
)
def test_the_name_of_a_device_ends_in_its_profile(name: str, profile: str | None) -> None:
    """The profile is what stands behind MIG in the name."""
    assert profile_in(name) == profile


@pytest.mark.parametrize(
    ("slices", "mebibytes", "total", "profile"),
    [
        ((1, 1), 16896, H200, "1g.18gb"),
        ((1, 1), 9984, H100, "1g.10gb"),
        ((2, 2), 20096, H100, "2g.20gb"),
        ((3, 3), 40448, H100, "3g.40gb"),
        ((3, 1), 40448, H100, "1c.3g.40gb"),
        ((1, 1), 9984, None, "1g.10gb"),
        ((0, 0), 9984, H100, None),
        ((1, 1), 0, H100, None),
    ],
)
def test_a_profile_from_its_parts(
    slices: tuple[int, int], mebibytes: int, total: int | None, profile: str | None
) -> None:
    """Where the name does not say it, slices and memory do, in the whole GPU's gigabytes."""
    assert profile_of(*slices, mebibytes * MEBIBYTE, total) == profile


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 64), st.none() | st.integers(0, 1 << 64))
def test_any_parts_give_a_profile_or_none(gpu: int, compute: int, memory: int, total: int | None) -> None:
    """Whatever the driver says of an instance, it has a name or none."""
    profile = profile_of(gpu, compute, memory, total)
    assert profile is None or profile_in(f"MIG {profile}") == profile


@pytest.mark.parametrize(
    ("mode", "most", "slot", "uuid", "told"),
    [
        (0, 0, 0, 0, (1, ["MIG-0"], True)),
        (0, 0, 6, 0, (1, [], True)),
        (0, 3, 0, 0, (1, [], True)),
        (3, 0, 0, 0, (None, [], True)),
        (13, 0, 0, 0, (None, [], True)),
        (27, 0, 0, 0, (None, [], False)),
        (0, 27, 0, 0, (1, [], False)),
        (0, 0, 19, 0, (1, [], False)),
        (0, 0, 4, 0, (1, [], False)),
        (0, 0, 0, 999, (1, [], False)),
    ],
)
def test_whether_a_layout_is_told(mode: int, most: int, slot: int, uuid: int, told: Any) -> None:
    """What a driver refuses, and a slot that is empty, is not there; a call that failed says nothing of that."""

    def put_mode(handle: Any, current: Any, pending: Any) -> int:
        put(current, ENABLED)
        return mode

    def put_most(handle: Any, count: Any) -> int:
        put(count, 0 if most else 1)
        return most

    def put_uuid(handle: Any, buffer: Any, size: int) -> int:
        buffer.value = b"MIG-0"
        return uuid

    library = spoken(
        nvmlDeviceGetMigMode=put_mode,
        nvmlDeviceGetMaxMigDeviceCount=put_most,
        nvmlDeviceGetMigDeviceHandleByIndex=lambda handle, number, instance: slot,
        nvmlDeviceGetUUID=put_uuid,
    )
    found = layout(Calls(library), 1)
    assert (found.mode, [each.uuid for each in found.slots], found.told) == told


@pytest.mark.parametrize(
    ("by_id", "info", "expected"),
    [(0, 0, (9, 4, 4)), (4, 0, (None,) * 3), (0, 4, (None,) * 3), (13, 0, (None,) * 3), (0, 3, (None,) * 3)],
)
def test_where_an_instance_lies(by_id: int, info: int, expected: tuple[int | None, ...]) -> None:
    """Profile and place are the driver's; one that may not be asked, or does not know, costs nothing but these."""

    def put_info(found: Any, told: Any) -> int:
        fields = pointed_at(told)
        fields.profileId, fields.placement.start, fields.placement.size = 9, 4, 4
        return info

    def put_id(handle: Any, number: Any) -> int:
        put(number, 1)
        return 0

    library = spoken(
        nvmlDeviceGetGpuInstanceId=put_id,
        nvmlDeviceGetGpuInstanceById=lambda handle, number, found: by_id if (handle, number) == (7, 1) else 2,
        nvmlGpuInstanceGetInfo=put_info,
    )
    calls = Calls(library)
    (found,) = instances(calls, 7, [Slot(0, 8, "MIG-0")], "GPU-0", None)
    keys = ("profile_id", "placement_start", "placement_size")
    assert tuple(found.identity.get(key) for key in keys) == expected
    assert (calls.denied, calls.failures) == (0, 0)
