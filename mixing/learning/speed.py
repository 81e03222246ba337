"""How fast a run learns: slope, area and code length of its curve."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .curve import FloatArray, check_curves, in_range


def slope(
    steps: ArrayLike, losses: ArrayLike, *, first: float | None = None, last: float | None = None
) -> FloatArray:
    """Change of the loss per e-fold of training, by Theil and Sen: the median over pairs.

    Tokens are proportional to steps, so this is the slope over the logarithm of tokens, too.
    A quarter of the measures can be wild without moving it. The measures count alike, so those
    spaced evenly in steps weigh the end of training most; measures spaced evenly in log steps
    weigh all of it. O(n²) a curve.

    Source: Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968).

    Args:
        steps: [n], >= 0 and increasing; step 0 has no logarithm and is left out.
        losses: [..., n]; NaN at the end of a run that diverged, whose slope is that of the part
            before.
        first: leave out steps before it, such as a warm-up.
        last: leave out steps after it, such as a decay.

    Returns:
        float64[...], nats per e-fold where losses are in nats, below zero where they fall; NaN
        for fewer than two measures in the range.

    Raises:
        ValueError: see `check_curves`.
    """
    x, y = check_curves(steps, losses)
    kept = in_range(x, first, last)
    log, y = np.log(x[kept]), y[..., kept]
    one, other = np.triu_indices(len(log), 1)
    found = np.full(y.shape[:-1], np.nan)
    between = (y[..., other] - y[..., one]) / (log[other] - log[one])
    some = np.isfinite(between).any(axis=-1)
    found[some] = np.nanmedian(between[some], axis=-1)
    return found


def final_slope(steps: ArrayLike, losses: ArrayLike, *, width: float = 1.0) -> FloatArray:
    """`slope` over the last ``width`` e-folds of steps, float64[...]; NaN where a run diverged.

    Where fewer than three measures lie in that range, over the last three. As a learning rate
    decays, losses fall faster than they would go on to: this slope is then no forecast.

    Args:
        steps: [n], >= 0 and increasing.
        losses: [..., n]; NaN at the end of a run that diverged.
        width: of the range, in e-folds, > 0.

    Raises:
        ValueError: see `check_curves`, or for a width of zero or less.
    """
    x, y = check_curves(steps, losses)
    if not width > 0:
        raise ValueError(f"'width' must be > 0. Got {width}.")
    first = min(x[-1] / np.exp(width), x[max(0, len(x) - 3)])
    found = slope(x, y, first=first)
    found[np.isnan(y[..., -1])] = np.nan
    return found


def area(
    steps: ArrayLike, losses: ArrayLike, *, first: float | None = None, last: float | None = None
) -> FloatArray:
    """Mean loss over the logarithm of steps: the area under the curve, divided by its width.

    By the trapezoid rule. Only runs measured over the same range of steps can be compared.

    Args:
        steps: [n], >= 0 and increasing; step 0 is left out.
        losses: [..., n]; NaN at the end of a run that diverged.
        first: leave out steps before it.
        last: leave out steps after it.

    Returns:
        float64[...], in the unit of the losses; NaN for a run that diverged within the range,
        and for fewer than two measures there.

    Raises:
        ValueError: see `check_curves`.
    """
    x, y = check_curves(steps, losses)
    kept = in_range(x, first, last)
    if kept.sum() < 2:
        return np.full(y.shape[:-1], np.nan)
    log = np.log(x[kept])
    found: FloatArray = np.asarray(np.trapezoid(y[..., kept], log, axis=-1)) / (log[-1] - log[0])
    return found


def code_length(
    steps: ArrayLike,
    losses: ArrayLike,
    tokens_per_step: float,
    *,
    initial: float | None = None,
    unit: Literal["nats", "bits"] = "nats",
) -> FloatArray:
    """Prequential code length of what was trained on: the sum of loss times tokens.

    A model that codes each token before it learns from it needs this much for all of them, so the
    model that learns fastest compresses best.

    Source: Dawid, "Present position and potential developments" (1984), which sums the loss of
    each token before training on it. Departures: losses are those on held-out text, at some
    steps only, and the sum is the trapezoid rule between them. It is exact for a curve of
    straight lines and too long for one that bends, by 1/12 of each interval's change of slope
    times the interval squared; measures spaced evenly in log steps keep that small. On a domain's
    held-out text it counts as if all tokens were of that domain.

    Args:
        steps: [n], >= 0 and increasing.
        losses: [..., n], nats per token; NaN at the end of a run that diverged.
        tokens_per_step: > 0.
        initial: the loss before training, such as the logarithm of the vocabulary's size, where
            step 0 was not measured. By default the first loss measured counts from step 0 on,
            which is too short.
        unit: of the result.

    Returns:
        float64[...]; NaN for a run that diverged.

    Raises:
        ValueError: see `check_curves`, or for no tokens per step.
    """
    x, y = check_curves(steps, losses)
    if not 0 < tokens_per_step < np.inf:
        raise ValueError(f"'tokens_per_step' must be finite and > 0. Got {tokens_per_step}.")
    if x[0] > 0:
        start = y[..., :1] if initial is None else np.full_like(y[..., :1], initial)
        x, y = np.append(0.0, x), np.concatenate([start, y], axis=-1)
    nats = np.asarray(np.trapezoid(y, x, axis=-1)) * tokens_per_step
    found: FloatArray = nats / np.log(2) if unit == "bits" else nats
    return found
