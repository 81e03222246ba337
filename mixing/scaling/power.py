"""The power law of one scale: steps, L(S) = E + B/S^beta, or size, L(N) = E + A/N^alpha."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .separable import Prior, fit_separable

FloatArray = NDArray[np.float64]

_BETWEEN = (0.02, 3.0)
_FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """A floor and a power: L(x) = E + A (x / x0)^-alpha for many series, with E, A >= 0.

    ``x`` is steps or parameters, a series one mixture and target. x0 is the geometric mean of the
    scales that were run, so that A is a loss.

    It can't represent a loss that rises again, a warm-up (leave out the early steps), nor the
    end of a learning-rate schedule, where losses fall faster than any power.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), the step and the size law, with one
    exponent for all series. Departures: the exponent is searched on a line and the rest solved,
    where the paper starts L-BFGS from a grid; a prior on the exponent, without which two scales
    do not determine it and three hardly.

    Attributes:
        exponent: the prior's likeliest exponent.
        spread: standard deviation of its logarithm.
        noise: standard deviation of a loss about the law, in the unit of the losses: what the
            prior is weighed against.
        tied: whether all series share one exponent.
        delta: width of a Huber loss on log-losses; None for squared error of the losses.
    """

    exponent: float = 0.5
    spread: float = 0.5
    noise: float = 0.003
    tied: bool = True
    delta: float | None = None

    def __post_init__(self) -> None:
        Prior(rate=self.exponent, spread=self.spread, noise=self.noise)
        if self.delta is not None and not 0 < self.delta < np.inf:
            raise ValueError(f"'delta' of PowerLaw must be > 0. Got {self.delta}.")

    def fit(self, scales: ArrayLike, losses: ArrayLike) -> FittedPower:
        """The law of every series.

        Args:
            scales: [points], > 0, at least two different ones: steps, tokens or parameters.
            losses: [series, points], > 0; NaN where a series lacks a point. Every series needs
                two points at least, without which it has no slope.

        Raises:
            ValueError: for other shapes, values, or series that are too short.
        """
        x, observed = np.array(scales, np.float64), np.array(losses, np.float64)
        _check(x, observed)
        reference = float(np.exp(np.log(x).mean()))

        def columns(rates: FloatArray) -> FloatArray:
            powers = (x / reference) ** -rates[..., None]
            return np.stack([np.ones_like(powers), powers], axis=-1)

        found = fit_separable(
            columns,
            observed,
            between=_BETWEEN,
            tied=self.tied,
            delta=self.delta,
            prior=Prior(rate=self.exponent, spread=self.spread, noise=self.noise),
        )
        return FittedPower(
            E=found.linear[:, 0], A=found.linear[:, 1], exponent=found.rate, reference=reference
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedPower:
    """A power law with its parameters.

    Attributes:
        E: float64[series], >= 0, in the unit of the losses.
        A: float64[series], >= 0, what the loss at the reference scale has above E.
        exponent: float64[series].
        reference: x0, the scale at which A is measured.
    """

    E: FloatArray
    A: FloatArray
    exponent: FloatArray
    reference: float

    def loss(self, scales: ArrayLike) -> FloatArray:
        """Losses, float64[series, points], at scales[points] > 0."""
        x = np.atleast_1d(np.asarray(scales, np.float64)) / self.reference
        loss: FloatArray = self.E[:, None] + self.A[:, None] * x ** -self.exponent[:, None]
        return loss


def _check(x: FloatArray, losses: FloatArray) -> None:
    if x.ndim != 1 or losses.ndim != 2 or losses.shape[1] != len(x):
        raise ValueError(
            "'scales' must be [points] and 'losses' [series, points]. "
            f"Got shapes {x.shape} and {losses.shape}."
        )
    if not (np.isfinite(x) & (x > 0)).all() or len(np.unique(x)) != len(x):
        raise ValueError(f"'scales' must be > 0 and all different. Got {x.tolist()}.")
    if (losses <= 0).any() or np.isinf(losses).any():
        raise ValueError("'losses' must be > 0, or NaN where a point is missing.")
    short = np.isfinite(losses).sum(axis=1) < _FEWEST
    if short.any():
        raise ValueError(
            f"Every series needs losses at {_FEWEST} scales at least. "
            f"Got fewer in series {int(np.argmax(short))}."
        )
