"""Variables of a container's environment that tell of GPUs: the only ones whose value is looked at.

Source: documentation of NVIDIA's Container Toolkit (NVIDIA_VISIBLE_DEVICES) and of AMD's (AMD_VISIBLE_DEVICES), CUDA
programming guide, ROCm documentation on GPU isolation, dockerd's `node-generic-resources`. HIP heeds CUDA's name too.
"""

from __future__ import annotations

from typing import Final

NVIDIA_GRANTING: Final = "NVIDIA_VISIBLE_DEVICES"
AMD_GRANTING: Final = "AMD_VISIBLE_DEVICES"
SWARM: Final = ("DOCKER_RESOURCE_GPU", "DOCKER_RESOURCE_NVIDIA-GPU")
"""In which Docker Swarm tells the generic resources "gpu" and "NVIDIA-GPU" that it gave, where these are UUIDs."""
GRANTING: Final = {NVIDIA_GRANTING: "nvidia", AMD_GRANTING: "amd", **dict.fromkeys(SWARM, "nvidia")}
"""Variables by which a runtime gives GPUs to a container, and of which vendor."""
NARROWING: Final = {
    "ROCR_VISIBLE_DEVICES": "amd",
    "HIP_VISIBLE_DEVICES": "amd",
    "CUDA_VISIBLE_DEVICES": "nvidia",
}
"""Variables that choose among what a container has, in the order in which they work."""
VENDOR_OF: Final = GRANTING | NARROWING
