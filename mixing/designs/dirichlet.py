"""Mixtures drawn around the proportions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..simplex import check_mixtures, water_fill
from .common import DISTINCT, check_count, share_bounds

FloatArray = NDArray[np.float64]

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
    check_count(n)
    if not concentration or not all(0 < value < np.inf for value in concentration):
        raise ValueError(f"'concentration' must hold numbers > 0. Got {list(concentration)}.")
    lower, upper = share_bounds(shares, minimum, maximum)
    centre = np.maximum(shares, 1e-3)
    design, found = np.empty((n, len(shares))), 0
    for _ in range(_ATTEMPTS * n):
        strength = concentration[found % len(concentration)]
        drawn = water_fill(rng.dirichlet(strength * centre), lower, upper)
        if (np.abs(design[:found] - drawn).sum(axis=1) > DISTINCT).all():
            design[found] = drawn
            found += 1
        if found == n:
            return design
    raise ValueError(
        f"'n' must not exceed the distinct mixtures within the bounds. Got {n}, and found "
        f"{found} in {_ATTEMPTS * n} draws; widen 'minimum' or 'maximum', or ask for fewer."
    )
