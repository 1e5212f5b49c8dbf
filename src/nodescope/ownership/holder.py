"""Who can hold a device: a container (of a pod), a pod, a user's job, a user."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.records.container import Container, DeviceClaim

UNATTRIBUTED: Final = "unattributed"


class Holder(NamedTuple):
    """`key`: the container's key, "pod:NAMESPACE/NAME", "job:123", "user:alice", or "unattributed" for no one known."""

    key: str
    container_id: str | None = None
    container: str | None = None
    runtime: str | None = None
    pod_name: str | None = None
    pod_namespace: str | None = None
    user: str | None = None
    slurm_job: str | None = None


NOBODY: Final = Holder(UNATTRIBUTED)


def of_container(container: Container) -> Holder:
    """A container as a holder; of a pod's container the name is that in the pod."""
    return Holder(
        container.key,
        container.key,
        container.pod_container or container.name,
        container.runtime,
        container.pod_name,
        container.pod_namespace,
        container.user,
        container.slurm_job,
    )


def of_pod(name: str, namespace: str, container: str | None = None) -> Holder:
    """A pod of which no runtime told."""
    return Holder(f"pod:{namespace}/{name}", container=container, pod_name=name, pod_namespace=namespace)


def of_process(user: str | None, slurm_job: str | None) -> Holder:
    """Who runs a process that is in no container."""
    if slurm_job:
        return Holder(f"job:{slurm_job}", user=user, slurm_job=slurm_job)
    return Holder(f"user:{user}", user=user) if user else NOBODY


def of_claim(claim: DeviceClaim) -> Holder:
    """Who made a claim."""
    known = Holder(
        claim.container_id or "",
        claim.container_id,
        claim.container,
        claim.runtime,
        claim.pod_name,
        claim.pod_namespace,
        claim.user,
        claim.slurm_job,
    )
    if known.key:
        return known
    if known.pod_name:
        return known._replace(key=f"pod:{known.pod_namespace}/{known.pod_name}")
    return known._replace(key=of_process(claim.user, claim.slurm_job).key)
