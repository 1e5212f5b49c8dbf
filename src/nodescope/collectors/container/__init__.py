"""Collectors of containers: one loop, shown in several dialects."""
