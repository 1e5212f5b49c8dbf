"""The PCI tree: one sampler, shown."""
