"""What DRM clients say of themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.intel.fdinfo import Engine, parse
from nodescope.host import Malformed
from tests.devices.intel.intel_node import i915_fdinfo, xe_fdinfo

SOURCE = "/proc/1/fdinfo/3"


def test_i915_tells_time() -> None:
    """Of i915 each class has nanoseconds and its number of engines; what is resident counts, stolen memory does not."""
    client = parse(i915_fdinfo("0000:4d:00.0", 12, 573979900, 35652).encode(), SOURCE)
    assert client is not None
    assert (client.driver, client.pci_address, client.client_id) == ("i915", "0000:4d:00.0", 12)
    assert client.engines["render"] == Engine(573979900, None, 1)
    assert client.engines["video"] == Engine(100, None, 2)
    assert set(client.engines) == {"render", "copy", "video", "video-enhance", "compute"}
    assert (client.local_bytes, client.system_bytes) == (35652 * 1024, 2 * 1024**2)


def test_xe_tells_cycles() -> None:
    """Of xe each class has its cycles and those of the GPU's clock."""
    client = parse(xe_fdinfo("0000:03:00.0", 3, 28257900, 7655183225, 23992).encode(), SOURCE)
    assert client is not None
    assert client.engines == {"rcs": Engine(0, 7655183225, 1), "ccs": Engine(28257900, 7655183225, 4)}
    assert (client.local_bytes, client.system_bytes) == (23992 * 1024, 192 * 1024)


@pytest.mark.parametrize(
    ("lines", "local"),
    [
        ("drm-total-vram0: 4 KiB", 4096),
        ("drm-total-vram0: 4 KiB\ndrm-memory-vram0: 3 KiB", 3072),
        ("drm-resident-vram0: 1 KiB\ndrm-resident-vram1: 2 GiB", 1024 + 2 * 1024**3),
        ("drm-resident-vram0: 0", 0),
        ("drm-cycles-rcs: 5", None),
    ],
)
def test_regions(lines: str, local: int | None) -> None:
    """Regions of tiles are added; where residency is not told what is allocated counts."""
    client = parse(f"drm-driver: xe\ndrm-pdev: 0000:03:00.0\ndrm-client-id: 1\n{lines}\n".encode(), SOURCE)
    assert client is not None
    assert (client.local_bytes, client.engines) == (local, {})


@pytest.mark.parametrize("missing", ["drm-driver", "drm-pdev", "drm-client-id"])
def test_no_client(missing: str) -> None:
    """A file that lacks driver, device or number is of no client."""
    lines = [line for line in i915_fdinfo("0000:4d:00.0", 1, 2).split("\n") if not line.startswith(missing)]
    assert parse("\n".join(lines).encode(), SOURCE) is None


@pytest.mark.parametrize("bad", ["drm-client-id:\tx", "drm-engine-render:\t5 s", "drm-resident-local0:\t-4 KiB"])
def test_malformed(bad: str) -> None:
    """A number that is none, or has a unit that is none, is named with its source."""
    data = f"drm-driver:\ti915\ndrm-pdev:\t0000:4d:00.0\ndrm-client-id:\t1\n{bad}\n"
    with pytest.raises(Malformed, match=SOURCE):
        parse(data.encode(), SOURCE)


KEYS = st.sampled_from(
    [
        f"drm-{key}"
        for key in ("driver", "pdev", "client-id", "engine-render", "cycles-ccs", "total-cycles-ccs", "", "x-y")
    ]
    + [f"drm-{key}" for key in ("engine-capacity-ccs", "resident-vram0", "memory-local1", "total-cycles-")]
)
VALUES = st.one_of(st.integers(-5, 2**70).map(str), st.sampled_from(["xe", "0 ns", "1 KiB", "", "\x00", "1 KiB x"]))


@given(st.lists(st.tuples(KEYS, VALUES), max_size=20), st.binary(max_size=60))
def test_anything(lines: list[tuple[str, str]], tail: bytes) -> None:
    """Whatever is in the file, it gives plausible numbers, nothing, or `Malformed`."""
    data = "".join(f"{key}:\t{value}\n" for key, value in lines).encode() + tail
    try:
        client = parse(data, SOURCE)
    except Malformed:
        return
    if client is not None:
        assert client.client_id >= 0
        assert all(engine.busy >= 0 and engine.capacity >= 1 for engine in client.engines.values())
        assert client.local_bytes is None or client.local_bytes >= 0
