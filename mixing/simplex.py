"""Shares of domains: checking them, counting them, and keeping them within bounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_ROUNDING = 0.01  # published mixtures are rounded: rows of RegMix's sum to .996-1.003


def check_mixtures(mixtures: ArrayLike) -> FloatArray:
    """The mixtures as float64[runs, domains], each row renormalised to sum to one.

    Args:
        mixtures: [runs, domains], shares in [0, 1]; a row may miss a sum of one by 1 %, which
            rounding explains.

    Returns:
        A new array; the argument is left as it is.

    Raises:
        ValueError: naming the first row that has a NaN, a negative share or another sum.
    """
    array = np.array(mixtures, np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            "'mixtures' must be [runs, domains] with at least one of each. "
            f"Got shape {array.shape}."
        )
    totals = array.sum(axis=1)
    for wrong, wanted in (
        (~np.isfinite(array).all(axis=1), "finite shares"),
        ((array < 0).any(axis=1), "no negative share"),
        (np.abs(totals - 1) > _ROUNDING, f"shares that sum to one within {_ROUNDING:.0%}"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"'mixtures' must have {wanted} in every row. Got in row {row}: "
                f"{array[row].tolist()}, sum {totals[row]:.6g}."
            )
    result: FloatArray = array / totals[:, None]
    return result


def proportional(tokens: ArrayLike) -> FloatArray:
    """Each domain's share of the corpus, float64[domains], from its number of tokens.

    Raises:
        ValueError: for a negative or non-finite count, or where all are zero.
    """
    counts = np.array(tokens, np.float64)
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise ValueError(
            "'tokens' must be counts >= 0 by domain, not all zero. "
            f"Got {np.asarray(tokens).tolist()}."
        )
    shares: FloatArray = counts / counts.sum()
    return shares


def check_bounds(lower: FloatArray, upper: FloatArray) -> None:
    """Raise ValueError unless some mixture lies within the bounds, both float64[domains]."""
    if (lower > upper).any():
        domain = int(np.argmax(lower > upper))
        raise ValueError(
            f"The lower bound of domain {domain} must not exceed its upper bound. "
            f"Got {lower[domain]:.6g} > {upper[domain]:.6g}."
        )
    if lower.sum() > 1 + 1e-9 or upper.sum() < 1 - 1e-9:
        raise ValueError(
            "The lower bounds must sum to one at most, the upper ones to one at least. "
            f"Got {lower.sum():.6g} and {upper.sum():.6g}."
        )


def unimax(
    available_tokens: ArrayLike, budget_tokens: float, *, max_epochs: float = 4.0
) -> FloatArray:
    """The mixture that is as uniform as the caps on repetition allow, float64[domains].

    Every domain gets an equal share, or what ``max_epochs`` of it amount to, if that is less; what
    small domains leave goes to the others in equal parts. Where all domains together are too
    small for the budget, all are repeated ``max_epochs`` times and the budget shrinks.

    Source: UniMax (Chung et al., arXiv 2304.09151), Algorithm 1.

    Args:
        available_tokens: distinct tokens of each domain, >= 0.
        budget_tokens: tokens the model will be trained on, > 0.
        max_epochs: how often a token may be seen, > 0.

    Raises:
        ValueError: for counts as in :func:`proportional`, or a budget or epochs not above zero.
    """
    shares = proportional(available_tokens)
    for name, value in (("budget_tokens", budget_tokens), ("max_epochs", max_epochs)):
        if not 0 < value < np.inf:
            raise ValueError(f"'{name}' must be > 0. Got {value}.")
    caps = np.minimum(1.0, max_epochs * np.asarray(available_tokens, np.float64) / budget_tokens)
    if caps.sum() <= 1:
        return shares
    return water_fill(np.ones(len(caps)), np.zeros(len(caps)), caps)


def water_fill(shares: ArrayLike, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The mixture within bounds that keeps the proportions of ``shares`` wherever it can.

    The result is ``clip(level * shares, lower, upper)`` for the one level at which it sums to
    one: what a capped domain gives up goes to the others in their own proportions. Domains with
    no share receive only what no other can hold. Of all mixtures within the bounds it is the one
    of least divergence from the shares.

    Args:
        shares: float64[..., domains], >= 0; only their proportions matter.
        lower: float64[domains], least share of each domain.
        upper: float64[domains], greatest share of each domain.

    Returns:
        As many mixtures as rows of shares, float64[..., domains].

    Raises:
        ValueError: where no mixture lies within the bounds.
    """
    check_bounds(lower, upper)
    weights = np.asarray(shares, np.float64)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    weights = np.maximum(weights, 1e-15)  # so that any domain fills in the end
    # The total is piecewise linear in the level, with a bend wherever a domain meets a bound.
    bends = np.sort(np.concatenate([lower / weights, upper / weights], axis=-1), axis=-1)
    totals = np.clip(bends[..., None] * weights[..., None, :], lower, upper).sum(axis=-1)
    after = np.clip((totals < 1.0).sum(axis=-1, keepdims=True), 1, bends.shape[-1] - 1)
    (low, high), (start, end) = (
        (np.take_along_axis(array, after - 1, -1), np.take_along_axis(array, after, -1))
        for array in (totals, bends)
    )
    rise = np.where(high > low, high - low, np.inf)
    level = start + np.clip((1.0 - low) / rise, 0.0, 1.0) * (end - start)
    return _settle(np.clip(level * weights, lower, upper), lower, upper)


def greedy_fill(cost: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The mixture within bounds that minimises ``cost @ mixture``, float64[domains].

    On the capped simplex this linear program needs no solver: every domain gets its lower
    bound, and the rest goes to the cheapest domains until each is full.
    """
    mixture = lower.copy()
    rest = 1.0 - lower.sum()
    for domain in np.argsort(cost, kind="stable"):
        taken = min(rest, upper[domain] - lower[domain])
        mixture[domain] += taken
        rest -= taken
    return mixture


def _settle(mixture: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Give the last bits missing to a sum of one to the domain with most room for them."""
    missing = 1.0 - mixture.sum(axis=-1, keepdims=True)
    room = np.where(missing > 0, upper - mixture, mixture - lower)
    roomiest = np.argmax(room, axis=-1, keepdims=True)
    np.put_along_axis(mixture, roomiest, np.take_along_axis(mixture, roomiest, -1) + missing, -1)
    return mixture
