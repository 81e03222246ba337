"""Laws of scale judged at the largest scale that ran, which they had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .power import PowerLaw
from .series import extrapolate, latest

FloatArray = NDArray[np.float64]

_FEWEST_FOR_ORDER = 3  # mixtures
_FEWEST_FOR_CHECK = 3  # scales, of which the last is held out and two are left to fit


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleError:
    """A prediction of the last scale that ran, made without it, against what was measured there.

    Beside it stands the constant guess: the loss at the scale before, taken as final.

    Attributes:
        held_out: that scale, steps or parameters.
        step: the step at which losses are compared.
        n: how many losses of each target are compared, int64[targets].
        error: float64[targets], mean absolute error, in the unit of the losses.
        error_constant: float64[targets], that of the constant guess.
        bias: float64[targets], mean of predicted minus measured losses.
        relative: float64[targets], mean of the absolute errors over the measured losses.
        relative_constant: float64[targets], that of the constant guess.
        order: float64[targets], rank correlation of predicted and measured losses over the
            mixtures; NaN for fewer than three, or where they do not differ.
        order_constant: float64[targets], that of the constant guess.
    """

    held_out: float
    step: float
    n: NDArray[np.int64]
    error: FloatArray
    error_constant: FloatArray
    bias: FloatArray
    relative: FloatArray
    relative_constant: FloatArray
    order: FloatArray
    order_constant: FloatArray


def check_steps(law: PowerLaw, steps: FloatArray, losses: FloatArray) -> ScaleError | None:
    """The step law of each size at the last step, fitted on the steps before it.

    Args:
        law: its options.
        steps: float64[steps].
        losses: float64[mixtures, sizes, steps, targets], NaN where one is missing.

    Returns:
        None below three steps, or where no size has what it takes.
    """
    if len(steps) < _FEWEST_FOR_CHECK:
        return None
    order = np.argsort(steps)
    steps, losses = steps[order], losses[:, :, order]
    before, truth = losses[:, :, :-1], losses[:, :, -1]
    seen = np.where(_enough(before, axis=2), before, np.nan)
    predicted = np.stack(
        [
            extrapolate(law, steps[:-1], of_size, steps[-1])[0]
            for of_size in np.moveaxis(seen, 1, 0)
        ],
        axis=1,
    )
    return _judged(steps[-1], steps[-1], truth, predicted, latest(before))


def check_sizes(
    step_law: PowerLaw,
    size_law: PowerLaw,
    sizes: FloatArray,
    steps: FloatArray,
    losses: FloatArray,
) -> ScaleError | None:
    """The nested laws at the last size and the last step it ran, from the smaller sizes alone.

    Args:
        step_law: options of the inner law.
        size_law: options of the outer law.
        sizes: float64[sizes].
        steps: float64[steps].
        losses: float64[mixtures, sizes, steps, targets], NaN where one is missing.

    Returns:
        None below three sizes, or where no mixture has what it takes.
    """
    if len(sizes) < _FEWEST_FOR_CHECK:
        return None
    by_size, by_step = np.argsort(sizes), np.argsort(steps)
    sizes, steps, losses = sizes[by_size], steps[by_step], losses[:, by_size][:, :, by_step]
    ran = np.flatnonzero(np.isfinite(losses[:, -1]).any(axis=(0, 2)))
    if not len(ran):
        return None
    last = int(ran[-1])
    smaller = losses[:, :-1]
    at_step = np.stack(
        [extrapolate(step_law, steps, one, steps[last])[0] for one in np.moveaxis(smaller, 1, 0)],
        axis=1,
    )
    seen = np.where(_enough(at_step, axis=1), at_step, np.nan)
    predicted, _ = extrapolate(size_law, sizes[:-1], seen, sizes[-1])
    constant = latest(smaller[:, -1, : last + 1])
    truth = losses[:, -1, last]
    return _judged(
        sizes[-1], steps[last], *(values[:, None] for values in (truth, predicted, constant))
    )


def _enough(losses: FloatArray, axis: int) -> NDArray[np.bool_]:
    """Whether a series has the two losses that a slope takes."""
    enough: NDArray[np.bool_] = np.isfinite(losses).sum(axis=axis, keepdims=True) >= 2
    return enough


def _judged(
    held_out: float,
    step: float,
    truth: FloatArray,
    predicted: FloatArray,
    constant: FloatArray,
) -> ScaleError | None:
    """Errors of both guesses where both are there; all are float64[mixtures, sizes, targets]."""
    known = np.isfinite(truth) & np.isfinite(predicted) & np.isfinite(constant)
    if not known.any(axis=(0, 1)).all():
        return None

    def mean(of: FloatArray) -> FloatArray:
        average: FloatArray = np.nanmean(np.where(known, of, np.nan), axis=(0, 1))
        return average

    off, off_constant = np.abs(predicted - truth), np.abs(constant - truth)
    return ScaleError(
        held_out=float(held_out),
        step=float(step),
        n=known.sum(axis=(0, 1)),
        error=mean(off),
        error_constant=mean(off_constant),
        bias=mean(predicted - truth),
        relative=mean(off / truth),
        relative_constant=mean(off_constant / truth),
        order=_order(predicted, truth, known),
        order_constant=_order(constant, truth, known),
    )


def _order(predicted: FloatArray, truth: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """Rank correlation over the mixtures by target, a mean over the sizes."""
    from scipy.stats import spearmanr

    _, n_sizes, n_targets = known.shape
    means = np.full((n_sizes, n_targets), np.nan)
    for i, j in np.ndindex(n_sizes, n_targets):
        use = known[:, i, j]
        guess, measured = predicted[use, i, j], truth[use, i, j]
        if len(guess) >= _FEWEST_FOR_ORDER and np.ptp(guess) > 0 and np.ptp(measured) > 0:
            means[i, j] = spearmanr(guess, measured).statistic
    averages = np.full(n_targets, np.nan)
    for target, column in enumerate(means.T):
        if np.isfinite(column).any():
            averages[target] = np.nanmean(column)
    return averages
