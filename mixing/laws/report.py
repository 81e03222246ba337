"""The report of a fit: errors beside the baselines', and what to beware of, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..heldout import HeldOut, describe_folds, subsets_without

if TYPE_CHECKING:
    from .base import Law, Model
    from .fitted import Runs

FloatArray = NDArray[np.float64]

_FEWEST_FOR_INTERVAL = 9  # jackknife+ at level .9 needs ceil(.9 (n + 1)) <= n
_RARE_OPTIMUM = 0.25


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """How well a law fits, and what to beware of. Errors are mean absolute errors by target.

    Attributes:
        n_runs: runs fitted.
        n_parameters: parameters of one target; None for a regressor, which counts none.
        training_error: on the runs fitted, in the unit of the losses.
        held_out_by: "leave-one-out" below 30 runs, else "5-fold"; all three errors that follow
            come from the same folds.
        held_out_error: of the law, on runs it had not seen.
        held_out_error_constant: of the mean of the other runs.
        held_out_error_linear: of a plane through the other runs.
        share_of_starts: share of the starts that reached the best optimum.
        warnings: what to know before trusting the law, in sentences.
    """

    n_runs: int
    n_parameters: int | None
    training_error: tuple[float, ...]
    held_out_by: str
    held_out_error: tuple[float, ...]
    held_out_error_constant: tuple[float, ...]
    held_out_error_linear: tuple[float, ...]
    share_of_starts: tuple[float, ...]
    warnings: tuple[str, ...]


def describe(law: Law, runs: Runs, model: Model, held_out: HeldOut) -> FitReport:
    """The report of ``law`` fitted as ``model``, with the baselines held out by the same folds."""
    # Here and not above: the baselines are laws themselves.
    from .constant import Constant
    from .linear import Linear

    own = _mean_absolute(held_out.residuals)
    constant, linear = (
        _mean_absolute(_held_out_residuals(baseline, runs, held_out))
        for baseline in (Constant(), Linear())
    )
    n_parameters = law.n_parameters(runs.mixtures.shape[1])
    reached = model.share_of_starts
    warnings = law.caution(runs.inputs)
    if n_parameters is not None and len(runs) < n_parameters:
        warnings.append(
            f"{len(runs)} runs for {n_parameters} parameters a target: the prior decides what "
            "the runs do not. Trust the held-out error, not the training error."
        )
    if len(runs) < _FEWEST_FOR_INTERVAL:
        warnings.append(
            f"{len(runs)} runs are too few for a finite interval at level 0.9, which takes "
            f"{_FEWEST_FOR_INTERVAL}."
        )
    if not isinstance(law, Constant):
        useless = np.flatnonzero(np.array(own) >= np.array(constant)).tolist()
        if useless:
            warnings.append(
                f"Held out, the law is no better than the mean on targets {useless}: "
                "a mixture optimised for them is a guess."
            )
    rare = np.flatnonzero(reached < _RARE_OPTIMUM).tolist()
    if rare:
        warnings.append(
            f"Fewer than {_RARE_OPTIMUM:.0%} of the starts reached the best optimum on "
            f"targets {rare}: fit again with more starts."
        )
    return FitReport(
        n_runs=len(runs),
        n_parameters=n_parameters,
        training_error=_mean_absolute(runs.losses - model.predict(runs.inputs)),
        held_out_by=describe_folds(len(runs)),
        held_out_error=own,
        held_out_error_constant=constant,
        held_out_error_linear=linear,
        share_of_starts=tuple(reached.tolist()),
        warnings=tuple(warnings),
    )


def _held_out_residuals(law: Law, runs: Runs, held_out: HeldOut) -> FloatArray:
    subsets = subsets_without(held_out.fold)
    rng = np.random.default_rng(0)  # the baselines have no starts to draw
    _, *refits = law.solve(runs.mixtures, runs.losses, subsets, rng)
    return HeldOut.of(held_out.fold, refits, runs.mixtures, runs.losses).residuals


def _mean_absolute(residuals: FloatArray) -> tuple[float, ...]:
    return tuple(float(mean) for mean in np.abs(residuals).mean(axis=0))
