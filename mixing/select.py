"""Which law to believe: the one that predicts best what it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

FloatArray = NDArray[np.float64]

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
        law: the candidate that `choose` takes.
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
    """Fit every candidate and take the one that predicts held-out runs best; see `choose`.

    Held out are the same runs for all: leave-one-out below 30 runs, else five folds. Nothing but
    these errors decides: not the training error, not the number of parameters. The error of the
    law taken is a little too good, since it was taken for it.

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
    names = [law.name for law in candidates]
    if len(set(names)) < len(names):
        raise ValueError(f"'candidates' of select_law must have distinct names. Got {names}.")
    seed = int(rng.integers(2**63))
    fitted = tuple(law.fit(mixtures, losses, np.random.default_rng(seed)) for law in candidates)
    errors = {law.law.name: relative_errors(law) for law in fitted}
    name = choose(errors)
    return Selected(
        law=next(law for law in fitted if law.law.name == name),
        candidates=fitted,
        errors={name: float(one.mean()) for name, one in errors.items()},
    )


def choose(errors: Mapping[str, FloatArray]) -> str:
    """The law with the least mean error, or the ensemble, if it is within one standard error of it.

    Twenty runs can't tell laws apart whose errors differ by a few per cent, and the one that
    happens to be least is seldom the best on other runs; an average is rarely far from it. The
    standard error is that of the difference of the two, run by run. Where the constant is least,
    nothing was learned, and it is taken.

    Source: the one-standard-error rule of Breiman et al. (1984), which prefers the simpler model.
    Departure: the average is preferred.

    Args:
        errors: float64[runs] by name, see `relative_errors`.
    """
    best = min(errors, key=lambda name: errors[name].mean())
    if Ensemble.name in errors and best != Constant.name:
        behind = errors[Ensemble.name] - errors[best]
        if behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind)):
            return Ensemble.name
    return best


def relative_errors(law: FittedLaw) -> FloatArray:
    """Of each run, the mean over targets of its held-out error in units of the constant law's.

    The unit of a target is the constant law's mean error, float64[runs]; targets that never
    change are left out, and where none changes, the errors are one.
    """
    constant = np.array(law.report.held_out_error_constant)
    some = constant > 0
    if not some.any():
        return np.ones(len(law.runs))
    return np.asarray(np.abs(law.held_out.residuals[:, some] / constant[some]).mean(axis=1))


def relative_error(law: FittedLaw) -> float:
    """The mean over targets of a law's held-out error divided by the constant law's."""
    return float(relative_errors(law).mean())
