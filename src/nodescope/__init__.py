"""nodescope: one agent that measures a GPU node."""

__version__ = "0.1.0"
