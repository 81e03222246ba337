"""Kernel density: how common a document is in its corpus."""

from .base import weight_spread
from .exact import ExactDensity
from .faiss import FaissDensity
from .race import RaceDensity
from .reference import ReferenceDensity

__all__ = ["ExactDensity", "FaissDensity", "RaceDensity", "ReferenceDensity", "weight_spread"]
