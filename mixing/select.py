"""Which law to believe: the one that predicts best what it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .laws import (
    Additive,
    Constant,
    Ensemble,
    Exponential,
    FittedLaw,
    GeneralizedAdditive,
    Law,
    Linear,
)

CANDIDATES: tuple[Law, ...] = (
    Constant(),
    Linear(),
    Exponential(),
    Additive(),
    GeneralizedAdditive(),
    Ensemble(),
)
"""What `select_law` chooses from where runs differ in their mixture alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Selected:
    """The law chosen, beside those that were not.

    Attributes:
        law: the candidate with the least error.
        candidates: all that were fitted, in the order given.
        errors: by name, the mean over targets of the held-out error divided by the constant
            law's; below one is better than the mean.
    """

    law: FittedLaw
    candidates: tuple[FittedLaw, ...]
    errors: dict[str, float]


def select_law(
    mixtures: ArrayLike,
    losses: ArrayLike,
    rng: np.random.Generator,
    *,
    candidates: Sequence[Law] = CANDIDATES,
) -> Selected:
    """Fit every candidate and take the one with the least held-out error.

    Held out are the same runs for all: leave-one-out below 30 runs, else five folds. Nothing but
    these errors decides: not the training error, not the number of parameters.

    The error of the winner is a little too good, since it was chosen for it; with six candidates
    that is less than the error's own uncertainty.

    Args:
        mixtures: [runs, domains].
        losses: [runs, targets].
        rng: its next number seeds the folds and starts of every candidate alike.
        candidates: laws that read the mixture alone.

    Raises:
        ValueError: no candidates, or runs that no law can use.
    """
    if not candidates:
        raise ValueError("'candidates' of select_law must hold at least one law. Got none.")
    seed = int(rng.integers(2**63))
    fitted = tuple(law.fit(mixtures, losses, np.random.default_rng(seed)) for law in candidates)
    errors = {law.law.name: relative_error(law) for law in fitted}
    best = min(fitted, key=relative_error)
    return Selected(law=best, candidates=fitted, errors=errors)


def relative_error(law: FittedLaw) -> float:
    """The mean over targets of a law's held-out error divided by the constant law's.

    Targets that never change are left out; where none changes, the error is one.
    """
    own = np.array(law.report.held_out_error)
    constant = np.array(law.report.held_out_error_constant)
    some = constant > 0
    return float((own[some] / constant[some]).mean()) if some.any() else 1.0
