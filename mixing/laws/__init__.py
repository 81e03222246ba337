"""Mixing laws, one a file: from the shares of the domains to the losses of a model."""

from __future__ import annotations

from .additive import Additive
from .base import Law, Model
from .bimix import BiMix
from .catalog import LAWS, find_law
from .constant import Constant
from .d_cpt import DCPT
from .effective_data import EffectiveData
from .ensemble import Ensemble
from .exponential import Exponential
from .fitted import FittedLaw, Runs
from .formula import Formula
from .gaussian_process import GaussianProcess
from .generalized_additive import GeneralizedAdditive
from .implicit import Implicit
from .joint_additive import JointAdditive
from .joint_mixture import JointAdditiveFull
from .lightgbm import LightGBM
from .linear import Linear
from .m1 import M1
from .m2 import M2
from .m3 import M3
from .nonlinear import NonlinearLaw
from .report import FitReport

__all__ = [
    "Additive",
    "BiMix",
    "Constant",
    "DCPT",
    "EffectiveData",
    "Ensemble",
    "Exponential",
    "FitReport",
    "FittedLaw",
    "Formula",
    "GaussianProcess",
    "GeneralizedAdditive",
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
    "Model",
    "NonlinearLaw",
    "Runs",
    "find_law",
]
