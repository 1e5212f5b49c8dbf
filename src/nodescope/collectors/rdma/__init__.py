"""Collectors of RDMA devices: one sampler, shown in several dialects."""
