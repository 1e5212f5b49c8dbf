"""Containers: what runtimes tell of them, what their cgroups use, and who holds the devices of the node."""
