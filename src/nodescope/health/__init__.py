"""Verdicts on devices: rules, which are tables, over what was read, over its history and over its siblings.

A verdict is of one component of one device: ok, warning, critical or unknown, with the reason in one sentence, what was
read, and what to do. The same verdicts go to metrics, the API, events, `nodescope check` and the page.
"""
