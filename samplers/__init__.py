"""Samplers: which documents, then? Orders over documents, and where a budget ends in them.

A library of its own: NumPy arrays in, NumPy arrays out; no files, no command line.
"""

from .band import Band
from .brackets import Gathered
from .cap import Cap, Eligible
from .histogram import Histogram
from .inverse_propensity import InversePropensity
from .order import Random, Sampler, TopK, permanent_random
from .search import End, Search
from .softmax import Softmax
from .take import Cutoff, Take

__all__ = [
    "Band",
    "Cap",
    "Cutoff",
    "Eligible",
    "End",
    "Gathered",
    "Histogram",
    "InversePropensity",
    "Random",
    "Sampler",
    "Search",
    "Softmax",
    "Take",
    "TopK",
    "permanent_random",
]
