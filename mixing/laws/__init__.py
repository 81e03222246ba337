"""Mixing laws, one a file: from the shares of the domains to the losses of a model."""

from __future__ import annotations

from .additive import Additive
from .base import Law, Model
from .catalog import LAWS, find_law
from .constant import Constant
from .exponential import Exponential
from .fitted import FittedLaw, Runs
from .formula import Formula
from .linear import Linear
from .nonlinear import NonlinearLaw
from .report import FitReport

__all__ = [
    "Additive",
    "Constant",
    "Exponential",
    "FitReport",
    "FittedLaw",
    "Formula",
    "LAWS",
    "Law",
    "Linear",
    "Model",
    "NonlinearLaw",
    "Runs",
    "find_law",
]
