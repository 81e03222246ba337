"""Laws of scale: losses over steps, sizes and over-training; errors over losses; nesting."""

from __future__ import annotations

from .check import ScaleError
from .downstream import Downstream
from .nest import Nested, nest
from .overtraining import OverTraining
from .power import FittedPower, PowerLaw

__all__ = [
    "Downstream",
    "FittedPower",
    "Nested",
    "OverTraining",
    "PowerLaw",
    "ScaleError",
    "nest",
]
