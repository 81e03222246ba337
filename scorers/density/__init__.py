"""Kernel density: how common a document is in its corpus."""

from .reference import ReferenceDensity

__all__ = ["ReferenceDensity"]
