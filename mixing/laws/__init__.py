"""Mixing laws, one a file: from the shares of the domains to the losses of a model."""

from __future__ import annotations

from .additive import Additive
from .base import Law
from .baselines import Constant, Linear
from .exponential import Exponential
from .fitted import FitReport, FittedLaw

__all__ = ["Additive", "Constant", "Exponential", "FitReport", "FittedLaw", "LAWS", "Law", "Linear"]

LAWS: dict[str, type[Law]] = {law.name: law for law in (Constant, Linear, Exponential, Additive)}
"""The laws by name: what :meth:`FittedLaw.from_dict` restores."""
