"""Verdicts on drivers that tell of no GPU."""

from __future__ import annotations

import msgspec
import pytest

from nodescope.health.drivers import driver_verdicts
from nodescope.health.gpu import GpuHealthRules
from tests.cli.check_verdicts import source, verdict
from tests.health.gpus import gpu


@pytest.mark.parametrize(
    ("state", "expected"), [("failed", "critical"), ("abandoned", "critical"), ("paused", "unknown")]
)
def test_a_driver_without_gpus(state: str, expected: str) -> None:
    """It is judged as it would be on each of its GPUs, with what was read and what to do, by its vendor's name."""
    (found,) = driver_verdicts([source(state, "Driver Not Loaded")], [])
    assert (found.component, found.subject, found.state) == ("driver", "nvidia", expected)
    assert found.value == {"critical": 2, "unknown": 3}[expected]
    assert found.evidence == f"source_state={state}, source_reason=Driver Not Loaded"
    assert found.reason
    assert found.action


@pytest.mark.parametrize(
    ("vendor", "tool", "log_name"),
    [("nvidia", "nvidia-smi", "NVRM"), ("amd", "amd-smi", "amdgpu"), ("intel", "xpu-smi", "i915 or xe")],
)
def test_what_to_do_is_of_the_vendor(vendor: str, tool: str, log_name: str) -> None:
    """The action names the vendor's own tool and what its driver is called in the kernel log, of a GPU as well."""
    failed = msgspec.structs.replace(source("failed", "why"), vendor=vendor)
    (found,) = driver_verdicts([failed], [])
    assert found.action == (
        f"run {tool}: after an update of the driver reboot, else look at the kernel log for {log_name}"
    )
    broken = gpu(state="failed")
    broken = msgspec.structs.replace(broken, identity=msgspec.structs.replace(broken.identity, vendor=vendor))
    (one,) = (one for one in GpuHealthRules().examined([broken], (), (), (), None) if one.component == "device")
    assert one.action.startswith(f"try {tool} on the host: ")


def test_a_driver_that_is_judged_elsewhere_or_well() -> None:
    """A driver that is well, and one whose GPUs are judged, have no verdict of their own."""
    assert driver_verdicts([source("ok")], []) == []
    assert driver_verdicts([source("failed")], [verdict(0, "driver", "critical")]) == []
