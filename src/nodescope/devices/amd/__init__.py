"""AMD GPUs, read from sysfs and KFD; their driver's tools are the fallback. No device node is ever opened."""
