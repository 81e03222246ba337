"""Held-out error and the intervals made from it: where a law meets runs it has not seen.

Every law is judged here and in the same way, so that its error can stand beside the baselines'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .laws.base import Model

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAVE_ONE_OUT_BELOW = 30  # runs; from here on, refitting once a run buys little over five folds
N_FOLDS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """What a law predicted for each run without having seen it.

    Attributes:
        fold: int64[runs], the fold in which the run was held out.
        models: the law fitted without each fold.
        residuals: float64[runs, targets], observed minus held-out prediction.
    """

    fold: IntArray
    models: tuple[Model, ...]
    residuals: FloatArray

    @classmethod
    def of(
        cls, fold: IntArray, models: Sequence[Model], inputs: FloatArray, losses: FloatArray
    ) -> HeldOut:
        """What each model got wrong on the fold it had not seen."""
        residuals = np.empty_like(losses)
        for held, model in enumerate(models):
            out = fold == held
            residuals[out] = losses[out] - model.predict(inputs[out])
        return cls(fold=fold, models=tuple(models), residuals=residuals)


def subsets_without(fold: IntArray) -> NDArray[np.bool_]:
    """All runs, then all but each fold in turn: bool[1 + folds, runs]."""
    without = np.arange(int(fold.max()) + 1)[:, None] != fold
    return np.concatenate([np.ones((1, len(fold)), np.bool_), without])


def assign_folds(mixtures: FloatArray, rng: np.random.Generator) -> IntArray:
    """The fold of each run, int64[runs]: one a mixture below 30 runs, else five at random.

    Runs of one mixture share a fold: a law that has seen a run's duplicate has seen the run.
    Folds follow the mixtures' values and not the order of the runs, so that the same runs in
    another order give the same error.

    Raises:
        ValueError: for fewer than two distinct mixtures, which leave nothing to hold out.
    """
    distinct, group = np.unique(mixtures, axis=0, return_inverse=True)
    if len(distinct) < 2:
        raise ValueError("'mixtures' must hold at least 2 distinct rows for a law. Got 1.")
    if len(mixtures) < LEAVE_ONE_OUT_BELOW:
        fold = np.arange(len(distinct))
    else:
        fold = rng.permutation(len(distinct)) % N_FOLDS
    return np.unique(fold[group.ravel()], return_inverse=True)[1].astype(np.int64)


def describe_folds(n_runs: int) -> str:
    """How runs are held out, in words: "leave-one-out" or "5-fold"."""
    return "leave-one-out" if n_runs < LEAVE_ONE_OUT_BELOW else f"{N_FOLDS}-fold"


def jackknife_plus(
    predictions: FloatArray, residuals: FloatArray, fold: IntArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """The jackknife+ interval for a new run's value at each point: (low, high), float64[points].

    Each run i offers ``mu_i(x) ± |R_i|``: the prediction of the law that was fitted without it,
    and how wrong that law was about it. The interval spans the order statistics of both ends, so
    it widens with the noise of the runs as well as where the law hangs on a single run. Coverage
    is at least ``2 * level - 1`` whatever the law, leaving one run out (a little less with five
    folds: Theorem 4), for a law that was not chosen by these residuals; and near ``level`` in
    practice, *for runs drawn like those of the design*; no such promise holds at an optimum
    outside of their range.

    Source: Barber et al., "Predictive inference with the jackknife+" (2021), Section 1.2, and
    its CV+ form (Section 3) where a fold holds several runs.

    Args:
        predictions: float64[folds, points], of the law fitted without each fold.
        residuals: float64[runs], held out.
        fold: int64[runs].
        level: wanted coverage, in (0, 1).

    Returns:
        (-inf, inf) where the runs are too few for the level (fewer than 9 for 0.9): no finite
        interval has that coverage.
    """
    return _spread(predictions[fold], np.abs(residuals), len(fold), level)


def pairwise_jackknife_plus(
    differences: FloatArray, residuals: FloatArray, fold: IntArray, level: float
) -> tuple[float, float]:
    """The interval for the difference of two new runs' values, from all pairs of held-out runs.

    As :func:`jackknife_plus`, with the held-out error of a *difference* in place of that of a
    value: ``R_i - R_j`` over all pairs of runs from different folds. What the law gets wrong for
    all mixtures alike cancels, as it does in the difference itself.

    Source: ours; the pairs are dependent, so the order statistic is the one for n runs and not
    for n² pairs. It does not know that one of the two mixtures was chosen *because* the law
    predicts well of it.

    Args:
        differences: float64[folds], the difference predicted by the law without each fold.
        residuals: float64[runs], held out.
        fold: int64[runs].
        level: wanted coverage, in (0, 1).
    """
    first, second = np.nonzero(fold[:, None] != fold[None, :])
    radii = np.abs(residuals[first] - residuals[second])
    low, high = _spread(differences[fold[first]][:, None], radii, len(fold), level)
    return float(low[0]), float(high[0])


def leave_out_radii(residuals: FloatArray, fold: IntArray, level: float) -> FloatArray:
    """How far from its held-out prediction each run was to lie, float64[runs].

    The order statistic of the absolute held-out errors of the runs in *other* folds: what one
    would have said of the run before it was trained. The other runs' errors come from laws that
    saw it, so no coverage is promised; with a law that the runs determine it is near ``level``.

    Source: the plain jackknife's interval, as in Barber et al. (2021), Section 1.1, without each
    run in turn.

    Args:
        residuals: float64[runs], held out.
        fold: int64[runs].
        level: wanted coverage, in (0, 1).

    Returns:
        inf where the other runs are too few for the level.
    """
    radii = np.empty(len(residuals))
    for held in np.unique(fold):
        others = np.abs(residuals[fold != held])
        _, high = _spread(np.zeros((1, 1)), others, len(others), level)
        radii[fold == held] = high[0]
    return radii


def _spread(
    centres: FloatArray, radii: FloatArray, n_runs: int, level: float
) -> tuple[FloatArray, FloatArray]:
    """Order statistics of ``centres[m, points] ± radii[m]`` that hold a share ``level``."""
    if not 0 < level < 1:
        raise ValueError(f"'level' must be in (0, 1). Got {level}.")
    # The rank ceil(level (n + 1)) of n, as a share; the tiny term keeps .9 * 10 from becoming 10.
    share = math.ceil(level * (n_runs + 1) - 1e-9) / n_runs
    if share > 1:
        infinite = np.full(centres.shape[1], np.inf)
        return -infinite, infinite
    rank = math.ceil(share * len(radii) - 1e-9)
    high = np.sort(centres + radii[:, None], axis=0)[rank - 1]
    low = np.sort(centres - radii[:, None], axis=0)[len(radii) - rank]
    return low, high
