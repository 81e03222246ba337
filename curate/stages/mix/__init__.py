"""Set the proportions: design mixtures, fit laws on their runs, optimise and export the mixture.

The runs themselves are in `proxies`.
"""

from __future__ import annotations

from .comparing import compare
from .designing import design, extend
from .exporting import export
from .files import load_law, load_mixture
from .fitting import fit
from .optimizing import optimize
from .predicting import predict

__all__ = [
    "compare",
    "design",
    "export",
    "extend",
    "fit",
    "load_law",
    "load_mixture",
    "optimize",
    "predict",
]
