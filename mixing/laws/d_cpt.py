"""The D-CPT law: the share of one domain, the model's size and its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from . import joint_terms
from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_LEAST = np.array(
    [1.0, -14.0, np.log(1e-3), 0.02]
)  # of eta, log C (times the losses), log eps, gamma
_GREATEST = np.array([4.0, 4.0, 0.0, 2.0])
_MEAN = np.array([1.5, 0.0, np.log(0.05), 0.4])
_SPREAD = np.array([1.0, joint_terms.LOG_FACTOR_SPREAD, 1.5, 0.4])


@dataclass(frozen=True, kw_only=True)
class DCPT(NonlinearLaw):
    """L = E + A/N^alpha + B r^eta/D^beta + C/(r + epsilon)^gamma, r the share of one domain.

    N parameters, D tokens. With eta >= 1 both terms in r are convex, so L is convex in the
    mixture.

    It reads one share, and can't represent which of the *other* domains fill the rest: it is meant
    for continual training on a domain beside general data. A law of two losses that belong to
    two domains is two laws, each with its own `domain`. A vanishing data term at r = 0 makes
    loss there independent of tokens.

    Source: Que et al., "D-CPT Law" (arXiv 2406.01375). Departures: eta >= 1, which makes it convex;
    bounds, and priors on every exponent; squared error in place of the Huber loss on log-losses.

    Attributes:
        domain: whose share r is, counted from 0.
        n_starts: starting points.
        shrinkage: weight of the prior.
    """

    name: ClassVar[str] = "d-cpt"
    convex: ClassVar[bool] = True
    covariates: ClassVar[tuple[str, ...]] = joint_terms.COVARIATES
    floor: ClassVar[int | None] = 0

    domain: int = 0
    n_starts: int = 12
    shrinkage: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.domain < 0:
            raise ValueError(f"'domain' of DCPT must be at least 0. Got {self.domain}.")

    def n_parameters(self, n_domains: int) -> int:
        """E, A, alpha, B, beta, eta, C, epsilon and gamma, for any number of domains."""
        if self.domain >= n_domains:
            raise ValueError(
                f"'domain' of DCPT must be one of the {n_domains} domains. Got {self.domain}."
            )
        return 9

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Losses, float64[..., runs]."""
        size, data, share = self._terms(theta, inputs)
        values: FloatArray = theta[..., :1] + size + data + share
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """By the one share ``B eta r^(eta-1)/D^beta - C gamma/(r+eps)^(gamma+1)``, else 0."""
        _, log_b, beta, eta, gamma, epsilon = self._parts(theta)
        r, logs = inputs[:, self.domain], joint_terms.log_scales(inputs)
        *_, share = self._terms(theta, inputs)
        tokens = joint_terms.power(np.concatenate([log_b, beta], axis=-1), logs[:, 1])
        slope = tokens * eta * r ** (eta - 1) - share * gamma / (r + epsilon)
        gradient = np.zeros((*slope.shape, inputs.shape[1] - len(self.covariates)))
        gradient[..., self.domain] = slope
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Derivatives in the order E, log A, alpha, log B, beta, eta, log C, log eps, gamma."""
        *_, gamma, epsilon = self._parts(theta)
        r, logs = inputs[:, self.domain], joint_terms.log_scales(inputs)
        size, data, share = self._terms(theta, inputs)
        log_r = np.log(np.where(r > 0, r, 1))  # the term is 0 at r = 0, and so is its slope
        return np.stack(
            [
                np.ones_like(size),
                size,
                -size * logs[:, 0],
                data,
                -data * logs[:, 1],
                data * log_r,
                share,
                -share * gamma * epsilon / (r + epsilon),
                -share * np.log(r + epsilon),
            ],
            axis=-1,
        )

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """The nine parameters by their published names, each float64[...]."""
        return {
            "E": theta[..., 0],
            "A": joint_terms.factor(theta[..., 1:3], 0),
            "alpha": theta[..., 2],
            "B": joint_terms.factor(theta[..., 3:5], 1),
            "beta": theta[..., 4],
            "eta": theta[..., 5],
            "C": np.exp(theta[..., 6]),
            "epsilon": np.exp(theta[..., 7]),
            "gamma": theta[..., 8],
        }

    def bounds(
        self,
        inputs: FloatArray,  # noqa: ARG002 - the same for any shares
        losses: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """E and every factor at most a multiple of the losses; 1 <= eta <= 4; eps in [.001, 1]."""
        top = max(float(losses.max()), 1e-6)
        least, greatest = joint_terms.bounds(top)
        shift = np.array([0, np.log(top), 0, 0])
        low = np.concatenate([[0], least, least, _LEAST + shift])
        return low, np.concatenate([[top], greatest, greatest, _GREATEST + shift])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Exponents of scale as they are known, the other exponents loosely."""
        rows, values = np.zeros((8, 9)), np.zeros(8)
        for which in (0, 1):
            at = slice(2 * which, 2 * which + 2)
            rows[at, 1 + 2 * which : 3 + 2 * which], values[at] = joint_terms.prior(which)
        rows[4:, 5:], values[4:] = np.diag(1 / _SPREAD), _MEAN / _SPREAD
        return self.shrinkage * rows, self.shrinkage * values

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """Everything at random, between bounds that leave each term a part of the losses."""
        floor = uniforms[:, :1] * float(losses.min())
        scale = joint_terms.start(uniforms[:, 1:5], joint_terms.log_scales(inputs), losses)
        eta = 1 + uniforms[:, 5:6]
        log_c = np.log(0.3 * float(losses.mean()) * uniforms[:, 6:7] + 1e-6)
        log_epsilon = np.log(0.01) + uniforms[:, 7:8] * np.log(30)
        return np.concatenate(
            [floor, scale, eta, log_c, log_epsilon, 0.1 + uniforms[:, 8:]], axis=1
        )

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """E, A, B and C times the factor, the rest as it is."""
        scaled = theta.copy()
        scaled[..., 0] *= factor
        scaled[..., [1, 3, 6]] += np.log(factor)
        return scaled

    def _terms(
        self, theta: FloatArray, inputs: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The terms of size, of tokens and of the share, float64[..., runs] each."""
        log_c, *_, eta, gamma, epsilon = self._parts(theta)
        r, logs = inputs[:, self.domain], joint_terms.log_scales(inputs)
        size = joint_terms.power(theta[..., 1:3], logs[:, 0])
        data = joint_terms.power(theta[..., 3:5], logs[:, 1]) * r**eta
        share: FloatArray = np.exp(log_c - gamma * np.log(r + epsilon))
        return size, data, share

    def _parts(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """Log C, log B, beta, eta, gamma and epsilon, float64[..., 1] each."""
        epsilon = np.exp(theta[..., 7:8])
        picked = [theta[..., i : i + 1] for i in (6, 3, 4, 5, 8)]
        return (*picked, epsilon)
