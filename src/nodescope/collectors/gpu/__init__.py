"""Collectors of GPUs: one sampler, shown in several dialects."""
