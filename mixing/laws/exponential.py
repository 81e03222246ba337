"""The exponential law of data mixing laws (M4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Exponential(NonlinearLaw):
    """Each loss falls exponentially towards a floor: L_i(r) = c_i + exp(Σ_j t_ij r_j), c_i >= 0.

    Convex in r, as the exponential of a linear form plus a constant. Olmix's log-linear law (arXiv
    2602.12237), exp(c) + exp(t · r), is the same formula.

    It can't represent the jump at a share of exactly zero: the loss of a domain falls steeply
    with its first few per cent, and the exponential is nearly flat there. On 32 published runs
    its own-domain error is .07 with the zero shares and .004 without, so the report warns of them.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), Eq. 7. Departures: the factor k_i is
    dropped, since on the simplex t_ij + a for all j and k_i exp(-a) give the same law; squared
    error with a prior that draws the t_ij of a target together, in place of the Huber loss over
    6000 starts without one (which diverges on 20 runs of 7 domains).

    Attributes:
        n_starts: starting points; the fit is nearly one-dimensional (given c, a regression).
        shrinkage: weight of the prior on t_ij minus its mean over j, whose unit is a factor of e.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "exponential"
    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0

    n_starts: int = 8
    shrinkage: float = 0.05

    def n_parameters(self, n_domains: int) -> int:
        """c, and one t for each domain."""
        return n_domains + 1

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The losses c + exp(t · r), float64[..., runs]."""
        values: FloatArray = theta[..., :1] + np.exp(theta[..., 1:] @ inputs.T)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """exp(t · r) t, float64[..., runs, domains]."""
        t = theta[..., 1:]
        gradient: FloatArray = np.exp(t @ inputs.T)[..., None] * t[..., None, :]
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """One by c, exp(t · r) r by t: float64[..., runs, parameters]."""
        slopes = np.exp(theta[..., 1:] @ inputs.T)[..., None] * inputs
        return np.concatenate([np.ones((*slopes.shape[:-1], 1)), slopes], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``c``, float64[...], in the unit of the losses, and ``t``, float64[..., domains]."""
        return {"c": theta[..., 0], "t": theta[..., 1:]}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= c <= the greatest loss; a domain alone costs e^-12 to e^6 times the greatest."""
        n_domains = inputs.shape[1]
        top = max(float(losses.max()), 1e-6)
        low = np.full(n_domains + 1, np.log(top) - 12)
        high = np.full(n_domains + 1, np.log(top) + 6)
        low[0], high[0] = 0, top
        return low, high

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The t of one target are alike: no domain matters more until the runs say so."""
        n_domains = inputs.shape[1]
        rows = np.zeros((n_domains, n_domains + 1))
        rows[:, 1:] = self.shrinkage * (np.eye(n_domains) - 1 / n_domains)
        return rows, np.zeros(n_domains)

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor at random, and the t that a regression of log(L - c) gives for it."""
        c = uniforms[:, :1] * float(losses.min())
        logs = np.log(np.maximum(losses - c, 1e-6))
        ridge = 1e-3 * np.eye(inputs.shape[1])
        mean = logs.mean(axis=1, keepdims=True)
        t = mean + np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ (logs - mean).T).T
        return np.concatenate([c, t], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """C times the factor; its logarithm added to every t."""
        return np.concatenate([theta[..., :1] * factor, theta[..., 1:] + np.log(factor)], axis=-1)

    def caution(self, inputs: FloatArray) -> list[str]:
        """Whether any domain is left out of a run altogether."""
        zeros = np.flatnonzero((inputs == 0).any(axis=0)).tolist()
        if not zeros:
            return []
        return [
            f"Shares of exactly zero in domains {zeros}: the exponential law can't represent the "
            "jump in loss there. Leave those runs out, or fit the additive law."
        ]
