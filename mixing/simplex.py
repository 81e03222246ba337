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


def water_fill(shares: ArrayLike, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The mixture within bounds that keeps the proportions of ``shares`` wherever it can.

    The result is ``clip(level * shares, lower, upper)`` for the one level at which it sums to
    one: what a capped domain gives up goes to the others in their own proportions. Domains with
    no share receive only what no other can hold.

    Args:
        shares: float64[domains], >= 0; only their proportions matter.
        lower: float64[domains], least share of each domain.
        upper: float64[domains], greatest share of each domain.

    Raises:
        ValueError: where no mixture lies within the bounds.
    """
    check_bounds(lower, upper)
    weights = np.asarray(shares, np.float64)
    weights = np.maximum(weights / weights.sum(), 1e-15)  # so that any domain fills in the end
    # The total is piecewise linear in the level, with a bend wherever a domain meets a bound.
    bends = np.unique(np.concatenate([lower / weights, upper / weights]))
    totals = np.clip(bends[:, None] * weights, lower, upper).sum(axis=1)
    after = int(np.clip(np.searchsorted(totals, 1.0), 1, len(bends) - 1)) if len(bends) > 1 else 0
    before = max(after - 1, 0)
    rise = totals[after] - totals[before]
    part = np.clip((1.0 - totals[before]) / rise, 0.0, 1.0) if rise > 0 else 0.0
    level = bends[before] + part * (bends[after] - bends[before])
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
    missing = 1.0 - mixture.sum()
    room = upper - mixture if missing > 0 else mixture - lower
    mixture[int(np.argmax(room))] += missing
    return mixture
