"""What is summed over NVLinks, whichever of them are up."""

from __future__ import annotations

from typing import Any

from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import NOT_SUPPORTED, SUCCESS
from nodescope.devices.nvidia.child.field_ids import LINK_COUNT, LINK_CRC_ERRORS
from nodescope.devices.nvidia.child.links import Links
from tests.devices.nvidia.child.spoken import put, spoken

UNSIGNED_LONG_LONG = 3


class Fabric:
    """Two links of a GPU: link -> CRC errors, of those that are up."""

    def __init__(self, errors: dict[int, int], counted: dict[str, dict[int, int]] | None = None) -> None:
        self.errors = errors
        spoken_to = spoken(nvmlDeviceGetFieldValues=self._fields, nvmlDeviceGetNvLinkState=self._state)
        self.links = Links(Calls(spoken_to), 1, counted)

    def crc(self) -> int | None:
        self.links.read_slow()
        return self.links.sums().get("nvlink_error_dl_crc")

    def _state(self, handle: Any, link: int, state: Any) -> int:
        put(state, int(link in self.errors))
        return SUCCESS

    def _fields(self, handle: Any, count: int, rows: Any) -> int:
        for row in rows:
            known = {(LINK_COUNT, 0): 2} | {(LINK_CRC_ERRORS, link): number for link, number in self.errors.items()}
            number = known.get((row.fieldId, row.scopeId))
            row.nvmlReturn = NOT_SUPPORTED if number is None else SUCCESS
            row.valueType, row.value.ullVal = UNSIGNED_LONG_LONG, number or 0
        return SUCCESS


def test_a_sum_does_not_fall_with_a_link() -> None:
    """A link that goes down stays in the sum with what it had; when it is up again its own number counts."""
    fabric = Fabric({0: 7, 1: 100})
    assert fabric.crc() == 107
    fabric.errors = {0: 8}
    assert fabric.crc() == 108
    fabric.errors = {0: 8, 1: 103}
    assert fabric.crc() == 111


def test_a_sum_does_not_fall_where_the_gpu_is_learnt_anew() -> None:
    """A link that is down when the GPU is learnt anew, as after a change of MIG, stays in the sum too."""
    counted: dict[str, dict[int, int]] = {}
    before = Fabric({0: 7, 1: 100}, counted)
    assert before.crc() == 107
    assert Fabric({0: 8}, counted).crc() == 108


class Refusing:
    """Three links: the first has no state, the second no counter of replays, all others answer 5."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.links = Links(
            Calls(spoken(nvmlDeviceGetNvLinkState=self._state, nvmlDeviceGetNvLinkErrorCounter=self._counter)), 1
        )

    def _state(self, handle: Any, link: int, state: Any) -> int:
        self.asked.append(link)
        put(state, 1)
        return SUCCESS if link in (1, 2) else NOT_SUPPORTED

    def _counter(self, handle: Any, link: int, counter: int, number: Any) -> int:
        put(number, 5)
        return NOT_SUPPORTED if (link, counter) == (1, 0) else SUCCESS


def test_a_link_that_is_refused() -> None:
    """A link that the driver refuses costs neither the others nor their counters, and is not asked again."""
    gpu = Refusing()
    gpu.links.read_slow()
    assert [(link["link"], link.get("replay_errors")) for link in gpu.links.read()] == [(1, None), (2, 5)]
    gpu.asked.clear()
    gpu.links.read_slow()
    assert gpu.asked == [1, 2]


def test_no_sum_of_nothing() -> None:
    """Where no link tells its errors there is no sum."""
    assert Fabric({}).crc() is None
