"""The law of downstream error by loss: Err(L) = epsilon - k exp(-gamma L)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .separable import fit_separable

FloatArray = NDArray[np.float64]

_BETWEEN = (1e-3, 20.0)
_FEWEST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Downstream:
    """Mean error on a set of tasks rises with the loss towards chance: epsilon - k exp(-gamma L).

    It can't represent tasks that set in at different losses, of which the mean is a sum of such
    curves, nor errors that fall as the loss rises.

    Source: Gadre et al. (arXiv 2403.08540), Eq. 5. Departures: gamma is searched on a line and
    epsilon, k >= 0 solved, where the authors run `curve_fit`.

    Attributes:
        epsilon: error at infinite loss, near that of guessing.
        k: scale of the fall.
        gamma: rate, per unit of the loss, > 0.
    """

    epsilon: float
    k: float
    gamma: float

    @classmethod
    def fit(cls, losses: ArrayLike, errors: ArrayLike) -> Downstream:
        """The law by least squares of the errors.

        Args:
            losses: [runs], at least three different ones.
            errors: [runs], in [0, 1], mean error over tasks.

        Raises:
            ValueError: for fewer than three different losses, or values that are not finite.
        """
        x, y = np.array(losses, np.float64), np.array(errors, np.float64)
        if x.ndim != 1 or x.shape != y.shape:
            raise ValueError(
                f"'losses' and 'errors' must be [runs] each. Got shapes {x.shape} and {y.shape}."
            )
        if not (np.isfinite(x) & np.isfinite(y)).all() or len(np.unique(x)) < _FEWEST:
            raise ValueError(
                f"'losses' and 'errors' must be finite, with {_FEWEST} different losses at least. "
                f"Got {x.tolist()} and {y.tolist()}."
            )
        least = float(x.min())

        def columns(rates: FloatArray) -> FloatArray:
            fall = -np.exp(-rates[..., None] * (x - least))
            return np.stack([np.ones_like(fall), fall], axis=-1)

        found = fit_separable(columns, y[None], between=_BETWEEN)
        gamma = float(found.rate[0])
        epsilon, k = (float(value) for value in found.linear[0])
        return cls(epsilon=epsilon, k=k * float(np.exp(gamma * least)), gamma=gamma)

    def error(self, losses: ArrayLike) -> FloatArray:
        """Mean errors, float64[runs], at these losses."""
        error: FloatArray = self.epsilon - self.k * np.exp(
            -self.gamma * np.asarray(losses, np.float64)
        )
        return error
