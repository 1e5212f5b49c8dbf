"""The machine of files is the collectors' too."""

from tests.collectors.host.conftest import machine

__all__ = ["machine"]
