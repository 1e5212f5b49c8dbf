"""Expositions: families -> text 0.0.4 and OpenMetrics 1.0. Knows only `metric`."""
