"""The PCI tree: GPUs, network, RDMA and NVMe devices, the bridges above them, their links, and what is near what.

Source: sysfs alone, Documentation/ABI/testing/sysfs-bus-pci. No configuration space is read but through its attributes,
and none of a device that sleeps.
"""
