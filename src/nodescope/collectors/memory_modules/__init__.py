"""Memory modules: one sampler, shown."""
