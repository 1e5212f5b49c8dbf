"""Verdicts, as samplers give them."""

from __future__ import annotations

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth

VALUES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def verdict(number: int, component: str, state: str = "ok", **texts: str) -> GpuHealth:
    identity = GpuIdentity(vendor="nvidia", uuid=f"GPU-{number}", index=number, pci_address=f"0000:1{number}:00.0")
    return GpuHealth(identity=identity, component=component, state=state, value=VALUES[state], **texts)


def source(state: str, reason: str = "") -> GpuSource:
    return GpuSource(vendor="nvidia", kind="nvml", state=state, reason=reason)


def link(component: str, subject: str, state: str = "ok", **texts: str) -> DeviceHealth:
    return DeviceHealth(component=component, subject=subject, state=state, value=VALUES[state], **texts)
