"""Set the proportions: design mixtures, fit laws on their runs, optimise and export the mixture.

The runs themselves are in `proxies`.
"""

from __future__ import annotations

from .autoscaling import autoscale
from .comparing import compare
from .designing import design, extend
from .exporting import export
from .files import load_law, load_mixture, load_schedule
from .fitting import fit
from .learning import learn
from .optimizing import optimize
from .predicting import predict
from .scaling import scale
from .scheduling import schedule
from .verifying import verify

__all__ = [
    "autoscale",
    "compare",
    "design",
    "export",
    "extend",
    "fit",
    "learn",
    "load_law",
    "load_mixture",
    "load_schedule",
    "optimize",
    "predict",
    "scale",
    "schedule",
    "verify",
]
