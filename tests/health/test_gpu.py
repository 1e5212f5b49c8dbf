"""Verdicts on whole GPUs: what is well, gone, new or nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.health.gpu import COMPONENTS, FORGET_SECONDS, GpuHealthRules
from nodescope.health.rule import VALUES
from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import Gpu
from tests.health.gpus import Judge, gpu, links, unread


def test_a_healthy_gpu() -> None:
    """Every component is ok without a word, and so is the whole, which comes last."""
    verdicts = list(Judge().verdicts(gpu(), links=links()).values())
    assert [one.component for one in verdicts] == [*COMPONENTS, "all"]
    assert {(one.state, one.value, one.reason, one.evidence, one.action) for one in verdicts} == {("ok", 0, "", "", "")}
    assert VALUES == {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def test_a_lost_gpu_among_healthy_ones() -> None:
    """The lost one is critical as a whole, its other components are unknown, and its siblings are as well as before."""
    judge = Judge()
    judge.verdicts(gpu(0), gpu(1), links=links(0))
    found = judge.after(5).verdicts(unread(0, "lost", "GPU is lost"), gpu(1))
    assert found["GPU-0", "all"].state == "critical"
    assert found["GPU-0", "all"].reason == "device: the GPU no longer answers on its bus"
    assert found["GPU-0", "device"].evidence == "state=lost, state_reason=GPU is lost"
    unknown = {component for (uuid, component), one in found.items() if uuid == "GPU-0" and one.state == "unknown"}
    assert unknown == {"memory", "pcie", "nvlink", "power", "thermal", "clocks"}
    assert {one.reason for one in found.values() if one.state == "unknown"} == {"the GPU gives no readings"}
    assert {(one.evidence, one.action) for one in found.values() if one.state == "unknown"} == {
        ("state=lost", "see what the components device and driver say")
    }
    whole, device = found["GPU-0", "all"], found["GPU-0", "device"]
    assert whole.evidence == f"{device.evidence}; not judged: memory pcie nvlink power thermal clocks"
    assert whole.action == device.action
    assert {one.state for (uuid, _), one in found.items() if uuid == "GPU-1"} == {"ok"}


def test_a_reading_that_is_too_old() -> None:
    """The whole GPU is unknown, not well, and says how old its reading is; its history says no more."""
    found = Judge().verdicts(unread())
    assert found["GPU-0", "device"].state == found["GPU-0", "all"].state == "unknown"
    assert "age_seconds=99" in found["GPU-0", "device"].evidence
    judge = Judge()
    for minute in range(12):
        judge.after(60).verdicts(gpu(thermal_violation_ns=int(60e9 * minute)))
    assert judge.of("thermal", gpu(thermal_violation_ns=int(60e9 * 12))).state == "critical"
    assert judge.after(61).of("thermal", unread()).state == "unknown"


def test_a_gpu_not_read_yet() -> None:
    """Of a GPU that has said nothing yet only device and driver are spoken of; it is well as soon as it is read."""
    judge = Judge()
    found = judge.verdicts(unread(state="starting"))
    assert [component for _, component in found] == ["device", "driver", "all"]
    assert found["GPU-0", "all"].state == "unknown"
    assert {one.state for one in judge.after(1).verdicts(gpu()).values()} == {"ok"}


def test_components_that_a_gpu_does_not_have() -> None:
    """Without NVLinks and InfoROM there is no verdict on them; one that had links keeps the component when lost."""
    bare = GpuIdentity(vendor="nvidia", uuid="GPU-9")
    plain = Gpu(identity=bare, state="ok", reason="", up=1, reading=gpu(fabric_state=None).reading)
    components = {component for _, component in Judge().verdicts(plain)}
    assert components == {*COMPONENTS, "all"} - {"nvlink", "inforom"}


def test_gpus_that_vanish_are_forgotten() -> None:
    """History stays for an hour, for a GPU that comes back; then nothing of it is kept, and there are bounds."""
    judge = Judge()
    judge.verdicts(gpu(0), gpu(1))
    judge.after(FORGET_SECONDS).verdicts(gpu(1))
    assert set(judge.rules._kept) == {"GPU-0", "GPU-1"}
    judge.after(1).verdicts(gpu(1))
    assert set(judge.rules._kept) == {"GPU-1"}
    assert set(judge.rules._hold._kept) == {"GPU-1"}
    assert set(judge.rules._rules._since) == {"GPU-1"}
    judge.after(1).verdicts(*(gpu(number) for number in range(300)))
    judge.after(1).verdicts(gpu(1))
    assert len(judge.rules._kept) == 256


def test_of_another_vendor() -> None:
    """A GPU for which there is no command to reset it is judged all the same, without one."""
    other = Gpu(
        identity=GpuIdentity(vendor="amd", uuid="AMD-1"), state="reset_required", reason="", up=0, reading=GpuReading()
    )
    assert "reset it with its vendor's tool" in Judge().of("device", other).action


def test_with_the_clocks_of_this_machine() -> None:
    """Without a clock given the machine's own are taken."""
    assert GpuHealthRules().examined((gpu(),), (), (), (), None)[-1].state == "ok"


NUMBER = st.none() | st.integers(0, 2**63 - 1) | st.integers(0, 20)
FIELDS = [name for name in GpuReading.__struct_fields__ if name not in ("driver_fields", "profiling")]
CAUSES = st.dictionaries(st.sampled_from(["ppt", "prochot", "hbm_thermal"]), st.integers(0, 2**63 - 1))
READINGS = st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELDS, NUMBER), "throttled_ns": CAUSES})


@given(
    st.lists(st.tuples(st.floats(0.1, 100), READINGS, st.sampled_from(["ok", "lost", "?", ""]), st.text()), max_size=6),
    st.integers(0, 20),
)
def test_anything_that_can_be_read_is_judged(looks: list[tuple[float, dict[str, Any], str, str]], total: int) -> None:
    """Nothing raises; each verdict has a known state, and one that is bad says why and what to do."""
    judge = Judge()
    for seconds, reading, state, reason in looks:
        one = gpu(state=state, reason=reason, **reading)
        for verdict in (
            judge.after(seconds).verdicts(one, links=links(total=total, down=(2,), replay_errors=5)).values()
        ):
            assert verdict.value == VALUES[verdict.state]
            if verdict.state in ("warning", "critical"):
                assert verdict.reason
                assert verdict.action


@pytest.mark.parametrize("up", [0, 1])
def test_the_same_looks_give_the_same_verdicts(up: int) -> None:
    """Two judges that see the same at the same times say the same."""
    first, second = Judge(), Judge()
    for number in range(20):
        look = gpu(temperature_celsius=80 + number % 12, throttle_reasons=0x40 * (number % 3 == up))
        assert first.after(30).verdicts(look) == second.after(30).verdicts(look)
