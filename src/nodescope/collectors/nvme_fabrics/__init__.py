"""NVMe on PCI and over fabrics: one sampler, shown."""
