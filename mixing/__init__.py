"""How much of each domain: designs of proxy runs, laws fitted on them, the mixture they favour."""

from __future__ import annotations

from .constraints import Constraints
from .design import dirichlet, double_diminishing
from .laws import Additive, Constant, Exponential, FitReport, FittedLaw, Law, Linear
from .optimize import Optimum, optimize
from .simplex import check_mixtures, proportional, water_fill

__all__ = [
    "Additive",
    "Constant",
    "Constraints",
    "Exponential",
    "FitReport",
    "FittedLaw",
    "Law",
    "Linear",
    "Optimum",
    "check_mixtures",
    "dirichlet",
    "double_diminishing",
    "optimize",
    "proportional",
    "water_fill",
]
