"""The GPU child: a process of its own that holds the NVIDIA driver's library, NVML, and tells its parent what it reads.

NVML hangs, leaks and keeps the driver in use; ending the process that holds it is the only sure remedy. So it runs here
alone, and the rest of nodescope reads frames (`nodescope.devices.nvidia.frame`) from this process's standard output.

    python -m nodescope.devices.nvidia.child '{"interval_seconds": 1.0}'

Each GPU has a thread of its own, so that a call that hangs costs only its GPU. This package imports the standard
library, nvidia-ml-py, msgspec and itself: it is to stay small.
"""
