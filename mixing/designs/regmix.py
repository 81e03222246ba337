"""RegMix's sampler of mixtures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..simplex import check_mixtures
from .common import check_count

FloatArray = NDArray[np.float64]

_OVERSAMPLE = 100  # draws for each mixture wanted
STRENGTHS = tuple(np.geomspace(0.1, 5.0, 15).tolist())


def regmix(
    proportions: ArrayLike,
    n: int,
    rng: np.random.Generator,
    *,
    temperature: float = 0.5,
    strengths: Sequence[float] = STRENGTHS,
    usage: float = 15.0,
    step: float = 1e-3,
    maximum: ArrayLike = 1.0,
) -> FloatArray:
    """Draw n distinct sparse mixtures around tempered proportions: float64[n, domains].

    Each is drawn from ``Dirichlet(strength * prior)``, with the prior proportional to
    ``proportions ** temperature`` and a strength picked at random. A draw that gives any domain
    more than ``usage`` times its proportion is rejected; shares below ``step`` become zero, the
    rest are rounded to it. From 100 draws for each mixture wanted, n distinct ones are picked.

    The strengths are small, so most mixtures have few domains and many shares of exactly zero:
    made for trees. The exponential law can't represent them; take `dirichlet` for that.

    Source: RegMix (Liu et al., arXiv 2407.01492), Section 3.1 and ``synthesize_mixture.py``.
    Departures: rows are normalised once more after the rounding, so that they sum to one exactly;
    ``maximum``.

    Args:
        proportions: float64[domains], each domain's share of the tokens.
        n: mixtures, >= 1.
        rng: the only source of randomness.
        temperature: power of the proportions, in (0, 1]; 1 takes them as they are.
        strengths: sums of the Dirichlet's parameters, > 0.
        usage: greatest share of a domain, in multiples of its proportion.
        step: the grid of the shares, in (0, 0.1].
        maximum: greatest share, one or one for each domain; draws beyond it are rejected too.

    Raises:
        ValueError: where fewer than n distinct mixtures were drawn; it says how many were.
    """
    shares = check_mixtures(np.atleast_2d(np.asarray(proportions, np.float64)))[0]
    check_count(n)
    for name, value, greatest in (("temperature", temperature, 1.0), ("step", step, 0.1)):
        if not 0 < value <= greatest:
            raise ValueError(f"'{name}' must be in (0, {greatest:g}]. Got {value}.")
    if not strengths or not all(0 < value < np.inf for value in strengths):
        raise ValueError(f"'strengths' must hold numbers > 0. Got {list(strengths)}.")
    most = np.broadcast_to(np.asarray(maximum, np.float64), shares.shape)
    drawn = _draw(shares**temperature, _OVERSAMPLE * n, rng, strengths)
    drawn = drawn[(drawn <= np.minimum(usage * shares, 1.0)).all(axis=1)]
    drawn = np.where(drawn < step, 0.0, drawn)
    # Where there are very many domains, a draw may have no share as large as a step.
    drawn = drawn[drawn.any(axis=1)]
    on_grid = np.round(drawn / drawn.sum(axis=1, keepdims=True) / step)
    rows = on_grid / on_grid.sum(axis=1, keepdims=True)
    rows = rows[(rows <= most).all(axis=1)]
    found = rows[np.unique(rows.round(6), axis=0, return_index=True)[1]]
    if len(found) < n:
        raise ValueError(
            f"'n' must not exceed the distinct mixtures drawn. Got {n}, and found {len(found)} in "
            f"{_OVERSAMPLE * n} draws; raise 'usage' or 'maximum', or ask for fewer."
        )
    design: FloatArray = found[rng.choice(len(found), size=n, replace=False)]
    return design


def _draw(
    weights: FloatArray, n: int, rng: np.random.Generator, strengths: Sequence[float]
) -> FloatArray:
    """Dirichlet draws with a strength picked for each, float64[n, domains]."""
    drawn = np.zeros((n, len(weights)))
    some = weights > 0
    picked = rng.integers(len(strengths), size=n)
    for k, strength in enumerate(strengths):
        rows = np.flatnonzero(picked == k)
        centre = strength * weights[some] / weights.sum()
        drawn[np.ix_(rows, some)] = rng.dirichlet(centre, size=len(rows))
    return drawn
