"""Devices: what reads and parses GPUs and links into records, one folder for each vendor."""
