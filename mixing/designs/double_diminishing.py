"""Mixtures whose shares halve from each domain's maximum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .common import check_count

FloatArray = NDArray[np.float64]


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
    check_count(n)
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
