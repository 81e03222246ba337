"""How much of each domain: designs of proxy runs, laws fitted on them, the mixture they favour."""

from __future__ import annotations

from .constraints import Constraints
from .designs import d_optimal, dirichlet, double_diminishing, extend, regmix
from .laws import (
    DCPT,
    LAWS,
    M1,
    M2,
    M3,
    Additive,
    BiMix,
    Constant,
    EffectiveData,
    Ensemble,
    Exponential,
    FitReport,
    FittedLaw,
    GaussianProcess,
    GeneralizedAdditive,
    Implicit,
    JointAdditive,
    JointAdditiveFull,
    Law,
    LightGBM,
    Linear,
    find_law,
)
from .limits import Group
from .optimize import optimize
from .optimum import Comparison, Optimum
from .schedule import Schedule
from .select import Selected, choose, relative_error, relative_errors, select_law
from .simplex import check_mixtures, proportional, unimax, water_fill
from .verify import Verification, verify

__all__ = [
    "Additive",
    "BiMix",
    "Comparison",
    "Constant",
    "Constraints",
    "DCPT",
    "EffectiveData",
    "Ensemble",
    "Exponential",
    "FitReport",
    "FittedLaw",
    "GaussianProcess",
    "GeneralizedAdditive",
    "Group",
    "Implicit",
    "JointAdditive",
    "JointAdditiveFull",
    "LAWS",
    "Law",
    "LightGBM",
    "Linear",
    "M1",
    "M2",
    "M3",
    "Optimum",
    "Schedule",
    "Selected",
    "Verification",
    "check_mixtures",
    "choose",
    "d_optimal",
    "dirichlet",
    "double_diminishing",
    "extend",
    "find_law",
    "optimize",
    "proportional",
    "regmix",
    "relative_error",
    "relative_errors",
    "select_law",
    "unimax",
    "verify",
    "water_fill",
]
