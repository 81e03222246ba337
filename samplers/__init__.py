"""Samplers: which documents, then? Orders over documents, and one streaming `Take`.

A library of its own: NumPy arrays in, NumPy arrays out; no files, no command line.
"""

from .band import Band
from .order import InversePropensity, Random, Sampler, TopK, permanent_random
from .take import Cutoff, Take

__all__ = [
    "Band",
    "Cutoff",
    "InversePropensity",
    "Random",
    "Sampler",
    "Take",
    "TopK",
    "permanent_random",
]
