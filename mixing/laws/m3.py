"""The third candidate of data mixing laws: the exponential of a product (M3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .nonlinear import NonlinearLaw
from .separable import warn_of_zeros

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class M3(NonlinearLaw):
    """An exponential of the product of all shares: L_i(r) = c_i + k_i exp(Π_j t_ij r_j).

    Not convex, whatever the signs. Only the product of the t_ij matters, so it has three parameters
    however many domains there are: T_i is that product over n^n, the effect at equal shares, and
    L_i(r) = c_i + k_i exp(T_i Π_j n r_j).

    It can't tell one domain from another: the law is the same with the shares in another order,
    and all mixtures that leave anything out have the same loss. It is here because it was
    published as a candidate, and as a check on those who compare laws.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), the candidate M3. Departures: k >= 0
    and c >= 0; T in place of the t_ij; squared error with a prior in place of the Huber loss.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior: the product has no effect.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "m3"
    convex: ClassVar[bool] = False
    floor: ClassVar[int | None] = 0

    n_starts: int = 8
    shrinkage: float = 0.1

    def n_parameters(self, n_domains: int) -> int:  # noqa: ARG002 - however many domains
        """c, k and T."""
        return 3

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The losses c + k exp(T Π r), float64[..., runs]."""
        values: FloatArray = theta[..., :1] + self._term(theta, inputs)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The exponential times T times the product of the other shares, [..., runs, domains]."""
        n = inputs.shape[1]
        others = np.where(np.eye(n, dtype=bool), 1, n * inputs[:, None, :]).prod(axis=-1)
        slope = self._term(theta, inputs) * theta[..., 2:]
        gradient: FloatArray = slope[..., None] * (n * others)
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """By c, log k and T, float64[..., runs, 3]."""
        term = self._term(theta, inputs)
        return np.stack([np.ones_like(term), term, term * _product(inputs)], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``c`` and ``k``, in the unit of the losses; ``T``, the effect at equal shares."""
        return {"c": theta[..., 0], "k": np.exp(theta[..., 1]), "T": theta[..., 2]}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """0 <= c <= the greatest loss; k is e^-12 to e^3 times that; equal shares e^±12 of it."""
        top = max(float(losses.max()), 1e-6)
        return np.array([0, np.log(top) - 12, -12]), np.array([top, np.log(top) + 3, 12])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """The product has no effect until the runs say so."""
        return self.shrinkage * np.array([[0.0, 0.0, 1.0]]), np.zeros(1)

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor at random, and a regression of log(L - c) on the product."""
        c = uniforms[:, :1] * float(losses.min())
        logs = np.log(np.maximum(losses - c, 1e-6))
        x = np.stack([np.ones(len(inputs)), _product(inputs)], axis=1)
        slopes = np.linalg.solve(x.T @ x + 1e-3 * np.eye(2), x.T @ logs.T).T
        return np.concatenate([c, slopes], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """C and k times the factor."""
        return np.stack(
            [theta[..., 0] * factor, theta[..., 1] + np.log(factor), theta[..., 2]], axis=-1
        )

    def caution(self, inputs: FloatArray) -> list[str]:
        """That it tells no domain from another, and zeros."""
        return [
            "M3 depends on the product of all shares alone: it can't say which domain to use.",
            *warn_of_zeros(
                inputs,
                lambda zeros: (
                    f"Shares of exactly zero in domains {zeros}: M3 predicts one and the same loss "
                    "for all of these runs."
                ),
            ),
        ]

    def _term(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        term: FloatArray = np.exp(theta[..., 1:2] + theta[..., 2:] * _product(inputs))
        return term


def _product(inputs: FloatArray) -> FloatArray:
    """Π n r_j, float64[runs], in [0, 1]: one at equal shares."""
    product: FloatArray = (inputs.shape[1] * inputs).prod(axis=1)
    return product
