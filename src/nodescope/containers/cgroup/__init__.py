"""Control groups of containers, v1 and v2: which container a cgroup is, where they are, what they use."""
