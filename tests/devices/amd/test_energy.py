"""An energy counter that ends."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.energy import MOST_SECONDS, WHOLE_MILLIJOULES, EnergyCounter
from nodescope.simulate.amd_gpu_metrics import encode
from tests.devices.amd.amd_node import WAIT_S, AmdNode


def test_goes_on_over_its_end() -> None:
    """A counter of 32 bits that ends under load goes on, as often as it ends."""
    counter = EnergyCounter()
    assert counter.continued(WHOLE_MILLIJOULES - 100_000, 0.0) == WHOLE_MILLIJOULES - 100_000
    assert counter.continued(200_000, 1.0) == WHOLE_MILLIJOULES + 200_000
    assert counter.continued(WHOLE_MILLIJOULES - 1, 200.0) == 2 * WHOLE_MILLIJOULES - 1
    assert counter.continued(0, 201.0) == 2 * WHOLE_MILLIJOULES


def test_began_anew() -> None:
    """A counter that lost more than its end explains, had more than its bits, or was not seen for long began anew."""
    counter = EnergyCounter()
    assert counter.continued(WHOLE_MILLIJOULES // 2, 0.0) == WHOLE_MILLIJOULES // 2
    assert counter.continued(200_000, 1.0) == 200_000
    assert counter.continued(WHOLE_MILLIJOULES + 7, 2.0) == WHOLE_MILLIJOULES + 7
    assert counter.continued(5, 3.0) == 5
    counter.continued(WHOLE_MILLIJOULES - 1, 4.0)
    assert counter.continued(5, 5.0 + MOST_SECONDS) == 5


def test_of_a_card(tmp_path: Path) -> None:
    """The energy of a Radeon card does not fall where its firmware's 32 bits end."""
    node = AmdNode(tmp_path)
    folder = node.gpu("0000:03:00.0", {"gpu_metrics": encode(1, 3, {"energy_accumulator": 2**32 - 1})})
    source = node.source()
    (before,) = source.observe(WAIT_S).reports
    node.write(f"{folder}/gpu_metrics", encode(1, 3, {"energy_accumulator": 2}))
    (after,) = source.observe(WAIT_S).reports
    assert (before.reading.energy_millijoules, after.reading.energy_millijoules) == (65_535_999, 65_536_000)
