"""Engines that run a language model, behind the two methods of `Backend`."""

from .base import Backend, NextToken
from .transformers import TransformersBackend

__all__ = ["Backend", "NextToken", "TransformersBackend"]
