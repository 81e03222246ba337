"""Implicit domain aggregation of data mixing laws: a sum of exponential laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Implicit(NonlinearLaw):
    """The loss on a mixture of hidden domains, each with an exponential law of its own.

    L(r) = Σ_k s_k [c_k + κ_k exp(Σ_j t_kj r_j)] for k = 1..K, which on the simplex is
    c + Σ_k exp(Σ_j t_kj r_j): s_k κ_k is a number added to every t_kj. Convex in r.

    It can't represent a fall that is steep in the first per cent and slow later with less than
    several hidden domains, and hidden domains have no order: read predictions, not parameters. It
    wants more runs than parameters: on 20 runs of five domains it is worse held out than the
    exponential law, on hundreds better.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), implicit domain aggregation.
    Departures: one bias for Σ s_k c_k >= 0, as in the published code; squared error with a prior
    (t_kj alike within a hidden domain) in place of the Huber loss by AdamW; one fit in place of
    AdaBoost over thirty of them.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior.
        huber: see `NonlinearLaw`.
        n_hidden: K >= 1 hidden domains; with one it is the exponential law.
    """

    name: ClassVar[str] = "implicit"
    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0

    n_starts: int = 12
    shrinkage: float = 0.1
    n_hidden: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_hidden < 1:
            raise ValueError(f"'n_hidden' of Implicit must be at least 1. Got {self.n_hidden}.")

    def n_parameters(self, n_domains: int) -> int:
        """c, and one t for each domain and hidden domain."""
        return self.n_hidden * n_domains + 1

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The losses c + Σ_k exp(t_k · r), float64[..., runs]."""
        values: FloatArray = theta[..., :1] + self._terms(theta, inputs).sum(axis=-2)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Σ_k exp(t_k · r) t_k, float64[..., runs, domains]."""
        gradient: FloatArray = np.swapaxes(self._terms(theta, inputs), -1, -2) @ self._t(theta)
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """One by c, exp(t_k · r) r_j by t_kj."""
        slopes = np.swapaxes(self._terms(theta, inputs), -1, -2)[..., None] * inputs[:, None, :]
        slopes = slopes.reshape(*slopes.shape[:-2], -1)
        return np.concatenate([np.ones((*slopes.shape[:-1], 1)), slopes], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``c``, float64[...], in the unit of the losses; ``t1``, ``t2``, … by domain."""
        t = self._t(theta)
        hidden = {f"t{k + 1}": t[..., k, :] for k in range(self.n_hidden)}
        return {"c": theta[..., 0], **hidden}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= c <= the greatest loss; one domain alone adds e^-30 to e^4 times that."""
        top = max(float(losses.max()), 1e-6)
        n = self.n_hidden * inputs.shape[1]
        low = np.concatenate([[0], np.full(n, np.log(top) - 30)])
        return low, np.concatenate([[top], np.full(n, np.log(top) + 4)])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The t of one hidden domain are alike, until the runs say otherwise."""
        n = inputs.shape[1]
        alike = np.kron(np.eye(self.n_hidden), np.eye(n) - 1 / n)
        rows = self.shrinkage * np.concatenate([np.zeros((len(alike), 1)), alike], axis=1)
        return rows, np.zeros(len(alike))

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor at random, the t of one exponential law for it, and each t moved at random."""
        n = inputs.shape[1]
        c = uniforms[:, :1] * float(losses.min())
        logs = np.log(np.maximum(losses - c, 1e-6))
        ridge = 1e-3 * np.eye(n)
        mean = logs.mean(axis=1, keepdims=True)
        t = mean + np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ (logs - mean).T).T
        moved = np.tile(t - np.log(self.n_hidden), (1, self.n_hidden)) + 4 * uniforms[:, 1:] - 2
        return np.concatenate([c, moved], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """C times the factor; its logarithm added to every t."""
        return np.concatenate([theta[..., :1] * factor, theta[..., 1:] + np.log(factor)], axis=-1)

    def _t(self, theta: FloatArray) -> FloatArray:
        """float64[..., hidden, domains]."""
        return theta[..., 1:].reshape(*theta.shape[:-1], self.n_hidden, -1)

    def _terms(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """exp(t_k · r), float64[..., hidden, runs]."""
        terms: FloatArray = np.exp(self._t(theta) @ inputs.T)
        return terms
