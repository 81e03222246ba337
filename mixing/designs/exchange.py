"""Choosing rows from a pool so that together they say most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..polytope import Polytope
from ..simplex import water_fill
from .common import distinct

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SWEEPS = 10
_GAIN = 1e-9  # of a log determinant, below which an exchange isn't worth making
_EACH = 200  # candidates of each kind


def candidates(
    shares: FloatArray, lower: FloatArray, upper: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """A pool of distinct mixtures within bounds, float64[pool, domains], about 1,000 of them.

    Corners and the middles between them, draws around the proportions, draws from all over the
    simplex, and mixtures whose shares differ by factors (as on a grid of halvings).
    """
    n = len(shares)
    none = np.empty(0)
    room = Polytope(lower=lower, upper=upper, members=np.empty((0, n)), least=none, most=none)
    corners = np.array([room.minimum(cost) for cost in rng.normal(size=(_EACH, n))])
    corners = np.unique(np.concatenate([room.corners(), corners]).round(12), axis=0)
    first, second = rng.integers(len(corners), size=(2, _EACH))
    drawn = [
        shares[None],
        0.5 * corners[first] + 0.5 * corners[second],
        *(rng.dirichlet(s * np.maximum(shares, 1e-3), size=_EACH // 2) for s in (4.0, 16.0)),
        rng.dirichlet(np.ones(n), size=_EACH),
        0.5 ** rng.uniform(0, 8, size=(_EACH, n)),
    ]
    return distinct(water_fill(np.concatenate([corners, *drawn]), lower, upper))


def most_informative(features: FloatArray, base: FloatArray, n: int) -> IntArray:
    """Places of n rows whose information has the greatest determinant, int64[n].

    Maximises the mean over views of ``log det(base + Σ f f')``: greedily first, then exchanging
    one row at a time for the best of the pool until no exchange gains. No row is taken twice. A
    local optimum; the cost is a few times ``n * views * pool * parameters²``.

    Source: the exchange is that of Cook and Nachtsheim (Technometrics 1980), after Fedorov (1972);
    the mean over views is the pseudo-Bayesian criterion (Chaloner and Verdinelli 1995).

    Args:
        features: float64[views, pool, parameters], what a row says about the parameters, by each
            view of what they may be.
        base: float64[views, parameters, parameters], what is known before, positive definite.
        n: rows, at most the pool.
    """
    chosen: list[int] = []
    for _ in range(n):
        chosen.append(_best(features, base, chosen)[0])
    for _ in range(_SWEEPS):
        before = list(chosen)
        for place, present in enumerate(before):
            others = [*chosen[:place], *chosen[place + 1 :]]
            best, gains = _best(features, base, others)
            if gains[best] > gains[present] + _GAIN:
                chosen[place] = best
        if chosen == before:
            break
    return np.array(chosen, np.int64)


def _best(features: FloatArray, base: FloatArray, chosen: list[int]) -> tuple[int, FloatArray]:
    """The row that gains most beside those chosen, and what each gains, float64[pool]."""
    gains = np.log1p(variance(features, base, chosen)).mean(axis=0)
    gains[chosen] = -np.inf
    return int(np.argmax(gains)), gains


def variance(features: FloatArray, base: FloatArray, chosen: list[int]) -> FloatArray:
    """What is uncertain about each row once those chosen are known, float64[views, pool]."""
    known = features[:, chosen]
    factor = np.linalg.cholesky(base + np.swapaxes(known, 1, 2) @ known)
    whitened = np.linalg.solve(factor, np.swapaxes(features, 1, 2))
    return np.asarray((whitened**2).sum(axis=1), np.float64)
