"""The mixture with the least predicted loss, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .constraints import Constraints
from .descent import Objective, descend
from .laws.fitted import FittedLaw
from .simplex import check_mixtures, water_fill

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """A proposed mixture beside the proportional one. Losses are weighted means over targets.

    Attributes:
        mixture: float64[domains], within the constraints.
        loss: predicted.
        losses: float64[targets], predicted.
        interval: (low, high), where the loss of a run on it would lie.
        baseline: float64[domains], the proportional mixture, constraints or not.
        baseline_loss: predicted.
        baseline_losses: float64[targets], predicted.
        gain: ``baseline_loss - loss``, in the unit of the losses.
        gain_interval: (low, high), where the gain between two runs would lie. It does not know
            that the mixture was chosen for its prediction, so expect the lower half.
        gain_holds_zero: whether that interval holds zero: there may be no gain at all.
        level: of both intervals.
        gap: Frank-Wolfe gap of the regularised objective, for a convex law: no mixture within
            the constraints is predicted better by more than this. None for other laws.
    """

    mixture: FloatArray
    loss: float
    losses: FloatArray
    interval: tuple[float, float]
    baseline: FloatArray
    baseline_loss: float
    baseline_losses: FloatArray
    gain: float
    gain_interval: tuple[float, float]
    gain_holds_zero: bool
    level: float
    gap: float | None

    @property
    def certificate(self) -> str:
        """The gap in words: "Frank-Wolfe gap 2.1e-10", or "no certificate"."""
        return "no certificate" if self.gap is None else f"Frank-Wolfe gap {self.gap:.1e}"


def optimize(
    law: FittedLaw,
    *,
    prior: ArrayLike,
    weights: ArrayLike | None = None,
    constraints: Constraints | None = None,
    kl_strength: float = 0.0,
    level: float = 0.9,
) -> Optimum:
    """The mixture that minimises the weighted predicted loss within the constraints.

    Minimises ``Σ_i w_i L_i(r) + kl_strength · KL(r ‖ prior)``: for a convex law by sequential
    quadratic programming, then by moving mass between the pair of domains that gains most until
    the Frank-Wolfe gap is below 1e-9 (relative to the loss, where that is above one). For other
    laws the same from several starts, without a certificate.

    The optimum of a *law* is as good as the law: outside the mixtures it was fitted on, it
    extrapolates. ``kl_strength`` and ``constraints`` keep the proposal near what was seen.

    Source: the certificate is Jaggi's (ICML 2013), ``max_s ∇f(r)·(r - s)``; the regularised
    objective is Olmix's (arXiv 2602.12237), which takes a strength of .05 to .1.

    Args:
        law: a fitted law.
        prior: float64[domains], the proportional mixture: baseline, first guess, and centre of
            the regularisation.
        weights: float64[targets], >= 0, normalised to sum one; equal by default.
        constraints: what a mixture may be; anything by default.
        kl_strength: weight of the divergence from the prior, in the unit of the losses, >= 0.
        level: of the intervals, in (0, 1).

    Raises:
        ValueError: for constraints that no mixture meets (naming them), weights that are negative
            or all zero, or a divergence from a prior that gives a domain no share.
    """
    baseline = check_mixtures(np.atleast_2d(np.asarray(prior, np.float64)))[0]
    lower, upper = (constraints or Constraints()).bounds(law.n_domains)
    shares = _check_weights(weights, law.n_targets)
    if len(baseline) != law.n_domains:
        raise ValueError(f"'prior' must have {law.n_domains} domains. Got {len(baseline)}.")
    if not 0 <= kl_strength < np.inf:
        raise ValueError(f"'kl_strength' must be in [0, inf). Got {kl_strength}.")
    if kl_strength > 0 and ((baseline == 0) & (upper > 0)).any():
        raise ValueError(
            "'prior' must give a share to every domain that may have one, for 'kl_strength' > 0. "
            f"Got {baseline.tolist()}."
        )
    objective = Objective(
        law=law, weights=shares, prior=baseline, kl_strength=kl_strength, lower=lower, upper=upper
    )
    starts = [water_fill(baseline, lower, upper)]
    if not law.convex:
        starts += [
            water_fill(0.5 * starts[0] + 0.5 * vertex, lower, upper)
            for vertex in np.eye(law.n_domains)
        ]
    mixture = min((descend(objective, start) for start in starts), key=objective.value)
    return _describe(law, mixture, objective, level)


def _describe(law: FittedLaw, mixture: FloatArray, objective: Objective, level: float) -> Optimum:
    weights, baseline = objective.weights, objective.prior
    losses, baseline_losses = law.predict(np.stack([mixture, baseline]))
    low, high = law.interval(mixture[None], level, weights=weights)
    gain_low, gain_high = law.difference_interval(baseline, mixture, weights, level)
    loss, baseline_loss = float(weights @ losses), float(weights @ baseline_losses)
    return Optimum(
        mixture=mixture,
        loss=loss,
        losses=losses,
        interval=(float(low[0, 0]), float(high[0, 0])),
        baseline=baseline,
        baseline_loss=baseline_loss,
        baseline_losses=baseline_losses,
        gain=baseline_loss - loss,
        gain_interval=(gain_low, gain_high),
        gain_holds_zero=gain_low <= 0 <= gain_high,
        level=level,
        gap=objective.gap(mixture) if law.convex else None,
    )


def _check_weights(weights: ArrayLike | None, n_targets: int) -> FloatArray:
    array = np.ones(n_targets) if weights is None else np.array(weights, np.float64)
    if (
        array.shape != (n_targets,)
        or not np.isfinite(array).all()
        or (array < 0).any()
        or not array.any()
    ):
        raise ValueError(
            f"'weights' must be >= 0, not all zero, and one for each of {n_targets} targets. "
            f"Got {array.tolist()}."
        )
    shares: FloatArray = array / array.sum()
    return shares
