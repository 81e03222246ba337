"""What learning curves say: speed, steps to match, step changes, and what to read when."""

from __future__ import annotations

from .curriculum import Relation, Transfer, curriculum, relate, relation
from .match import Ratio, StepsToMatch, steps_to_match
from .monotone import Monotone, time_to_threshold
from .speed import area, code_length, final_slope, slope
from .step_change import StepChange, step_change

__all__ = [
    "Monotone",
    "Ratio",
    "Relation",
    "StepChange",
    "StepsToMatch",
    "Transfer",
    "area",
    "code_length",
    "curriculum",
    "final_slope",
    "relate",
    "relation",
    "slope",
    "step_change",
    "steps_to_match",
    "time_to_threshold",
]
