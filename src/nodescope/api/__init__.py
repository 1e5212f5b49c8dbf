"""The node's REST API: the newest records as JSON, in types that its OpenAPI document describes.

Two dialects: paths, names and envelope of Primus-Lens' node exporter (`lens_*`), and nodescope's own under /api/v1.
Nothing here reads a device or waits for one. `table` lists the routes and is cheap; the rest is imported by the first
request.
"""
