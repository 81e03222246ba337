"""Where work is done: on this machine, or on a Ray cluster. One function, many items."""

from .base import Engine
from .local import Local

__all__ = ["Engine", "Local"]
