"""Which mixtures to train proxy models on, before there is any law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .simplex import check_bounds, check_mixtures, water_fill

FloatArray = NDArray[np.float64]

_DISTINCT = 1e-5  # L1 distance below which two mixtures are one
_ATTEMPTS = 50  # draws for each mixture wanted


def dirichlet(
    prior: ArrayLike,
    n: int,
    rng: np.random.Generator,
    *,
    concentration: Sequence[float] = (2.0, 6.0, 18.0),
    minimum: ArrayLike | None = None,
    maximum: ArrayLike = 1.0,
) -> FloatArray:
    """Draw n distinct mixtures around the proportions, some near and some far: float64[n, domains].

    Row i is drawn from ``Dirichlet(concentration[i % k] * prior)``, so that the design covers
    both the neighbourhood of the proportions and the edges; a law fitted on one of them alone
    extrapolates to the other. Draws beyond a bound are brought within it by water-filling: the
    proportions among the other domains stay as drawn.

    By default no share is zero: every domain keeps a tenth of its proportion (or its cap, if
    that is less). Some laws can't represent the jump in loss at a share of exactly zero.

    Source: RegMix (Liu et al., arXiv 2407.01492), Section 3.1 and code. Departures: water-filling
    where RegMix rejects, so that tight caps cost no draws; the concentrations in turn, where it
    draws them; the prior as given, where it takes its square root.

    Args:
        prior: float64[domains], the proportions; a domain without any is drawn as if it had 1e-3.
        n: mixtures, >= 1.
        rng: the only source of randomness.
        concentration: sums of the Dirichlet's parameters, > 0; a small one gives nearly pure
            mixtures, a large one the proportions.
        minimum: least share, one or one for each domain.
        maximum: greatest share, one or one for each domain.

    Raises:
        ValueError: where the bounds conflict, or admit fewer than n distinct mixtures.
    """
    shares = check_mixtures(np.atleast_2d(np.asarray(prior, np.float64)))[0]
    _check_count(n)
    if not concentration or not all(0 < value < np.inf for value in concentration):
        raise ValueError(f"'concentration' must hold numbers > 0. Got {list(concentration)}.")
    upper = np.broadcast_to(np.asarray(maximum, np.float64), shares.shape)
    default = np.minimum(0.1 * shares, upper)
    lower = np.broadcast_to(
        default if minimum is None else np.asarray(minimum, np.float64), shares.shape
    )
    check_bounds(lower, upper)
    centre = np.maximum(shares, 1e-3)
    design, found = np.empty((n, len(shares))), 0
    for _ in range(_ATTEMPTS * n):
        strength = concentration[found % len(concentration)]
        drawn = water_fill(rng.dirichlet(strength * centre), lower, upper)
        if (np.abs(design[:found] - drawn).sum(axis=1) > _DISTINCT).all():
            design[found] = drawn
            found += 1
        if found == n:
            return design
    raise ValueError(
        f"'n' must not exceed the distinct mixtures within the bounds. Got {n}, and found "
        f"{found} in {_ATTEMPTS * n} draws; widen 'minimum' or 'maximum', or ask for fewer."
    )


def double_diminishing(
    maximum: ArrayLike,
    n: int,
    rng: np.random.Generator,
    *,
    step: float = 1 / 16,
    zeros: bool = False,
) -> FloatArray:
    """Draw n distinct mixtures whose shares halve from each domain's maximum: float64[n, domains].

    The share of every domain but the last is in ``maximum · {1, 1/2, 1/4, ...}``, rounded down to
    multiples of ``step`` and at least one of them; the last domain takes what remains, if that is
    at most its maximum. Losses change by equal amounts for about equal *ratios* of a share, so
    halving spends runs where the loss moves. Mixtures are drawn uniformly from all that are valid,
    counted exactly by dynamic programming: no draw is rejected, however few they are.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), Section 4 and code. Departures: no
    shares of zero unless asked for, since the exponential law can't represent them; a maximum off
    the grid is rounded down to it.

    Args:
        maximum: float64[domains], greatest shares in (0, 1], such as available over required
            tokens; the domain that should take the remainder comes last.
        n: mixtures, >= 1.
        rng: the only source of randomness.
        step: the grid, 1 over a whole number.
        zeros: whether a share may also be zero.

    Raises:
        ValueError: where fewer than n distinct mixtures exist; it says how many do.
    """
    units = round(1 / step) if 0 < step <= 0.5 else 0
    if units == 0 or abs(units * step - 1) > 1e-9:
        raise ValueError(f"'step' must be 1 over a whole number >= 2. Got {step}.")
    _check_count(n)
    caps = np.floor(np.asarray(maximum, np.float64) * units + 1e-9)
    if caps.ndim != 1 or len(caps) < 2 or not ((caps >= 1) & (caps <= units)).all():
        raise ValueError(
            f"'maximum' must be shares in [step={step:.6g}, 1] for at least 2 domains. "
            f"Got {np.asarray(maximum).tolist()}."
        )
    levels = [_halvings(int(cap), zeros) for cap in caps[:-1]]
    last = range(0 if zeros else 1, int(caps[-1]) + 1)
    ways = _count_ways(levels, last, units)
    total = ways[0][units]
    if total < n:
        raise ValueError(
            f"'n' must not exceed the number of distinct mixtures on the grid, {total}. Got {n}; "
            "take a smaller 'step' or larger maxima."
        )
    # Ranks beyond int64 are spread evenly over all of them: still distinct, still uniform enough.
    drawable = min(total, 2**62)
    ranks = rng.choice(drawable, size=n, replace=False)
    rows = [_unrank(int(rank) * total // drawable, levels, ways, units) for rank in ranks]
    return np.array(rows, np.float64) / units


def _halvings(cap: int, zeros: bool) -> list[int]:
    """The cap, its half, quarter, ..., in whole units, each once."""
    levels = [cap]
    while levels[-1] > 1:
        levels.append(levels[-1] // 2)
    return [*levels, 0] if zeros else levels


def _count_ways(levels: list[list[int]], last: range, units: int) -> list[list[int]]:
    """ways[j][m]: how many ways domains j, j+1, ... can share m units."""
    ways = [[int(rest in last) for rest in range(units + 1)]]
    for choices in reversed(levels):
        after = ways[0]
        ways.insert(
            0,
            [
                sum(after[rest - choice] for choice in choices if choice <= rest)
                for rest in range(units + 1)
            ],
        )
    return ways


def _unrank(rank: int, levels: list[list[int]], ways: list[list[int]], units: int) -> list[int]:
    """The mixture of this rank, in units, in the order that ``ways`` counts them."""
    mixture, rest = [], units
    for domain, choices in enumerate(levels):
        for choice in choices:
            below = ways[domain + 1][rest - choice] if choice <= rest else 0
            if rank < below:
                mixture.append(choice)
                rest -= choice
                break
            rank -= below
    return [*mixture, rest]


def _check_count(n: int) -> None:
    if n < 1:
        raise ValueError(f"'n' must be at least 1. Got {n}.")
