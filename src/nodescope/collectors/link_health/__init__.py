"""Verdicts on what is no GPU."""
