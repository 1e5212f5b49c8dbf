"""The labels by which Kubernetes and Compose say what a container is of.

Source: kubernetes/kubernetes pkg/kubelet/types/labels.go; docker/compose pkg/api/labels.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_LABEL_CHARACTERS: Final = 256

LABELS: Final = {
    "pod_name": "io.kubernetes.pod.name",
    "pod_namespace": "io.kubernetes.pod.namespace",
    "pod_uid": "io.kubernetes.pod.uid",
    "pod_container": "io.kubernetes.container.name",
    "compose_project": "com.docker.compose.project",
    "compose_service": "com.docker.compose.service",
}
"""Field of `Container` -> the label that fills it, whatever the allow-list says."""


def pod_fields(labels: Mapping[str, str]) -> dict[str, Any]:
    """The record's fields that labels fill, cut to bounds; what no label tells is left out."""
    return {field: labels[label][:MAX_LABEL_CHARACTERS] for field, label in LABELS.items() if labels.get(label)}
