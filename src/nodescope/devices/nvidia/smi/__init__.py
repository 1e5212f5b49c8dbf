"""NVIDIA's GPUs from the output of nvidia-smi, for where the driver's library is not there."""
