"""Collectors of what the kubelet tells."""
