"""The joint additive law: the mixture, the model's size and its tokens, each a term of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from . import joint_terms
from .additive import Additive
from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_N_SCALE = 4  # log A, alpha, log B, beta


@dataclass(frozen=True, kw_only=True)
class JointAdditive(NonlinearLaw):
    """L_i(h, N, D) = E_i + 1/(Σ_j C_ij h_j^gamma_ij) + A_i/N^alpha_i + B_i/D^beta_i.

    The additive law of the mixture, and the powers of model size N (parameters) and tokens D.
    Convex in the mixture, as the additive law is.

    It can't represent a mixture that suits one scale and not another: the best mixture is the
    same at every N and D (`JointAdditiveFull` lets it change). Nor repeated data, nor what the
    additive law can't. Runs of one size say nothing of alpha, and two sizes little: there the
    prior decides, and so does it how a prediction at a larger size comes out.

    Source: Shukor et al., "Scaling Laws for Optimal Data Mixtures" (arXiv 2507.09404), the
    additive law. Departures: those of `Additive`; priors on alpha and beta about the exponents of
    Hoffmann et al., without which extrapolation from two sizes is ill-conditioned.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior: that of `Additive`, and alpha near 0.34, beta near 0.28.
    """

    name: ClassVar[str] = "joint-additive"
    convex: ClassVar[bool] = True
    covariates: ClassVar[tuple[str, ...]] = joint_terms.COVARIATES
    floor: ClassVar[int | None] = 0

    n_starts: int = 12
    shrinkage: float = 0.05

    def n_parameters(self, n_domains: int) -> int:
        """Those of the additive law, and A, alpha, B, beta."""
        return self._mixture.n_parameters(n_domains) + _N_SCALE

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Losses, float64[..., runs]."""
        mixture, size, tokens = self._split(theta)
        logs = joint_terms.log_scales(inputs)
        values: FloatArray = self._mixture.values(mixture, inputs[:, :-2])
        return values + joint_terms.power(size, logs[:, 0]) + joint_terms.power(tokens, logs[:, 1])

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """That of the additive law, float64[..., runs, domains]."""
        return self._mixture.gradient(self._split(theta)[0], inputs[:, :-2])

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """That of each term, side by side: float64[..., runs, parameters]."""
        mixture, size, tokens = self._split(theta)
        logs = joint_terms.log_scales(inputs)
        return np.concatenate(
            [
                self._mixture.jacobian(mixture, inputs[:, :-2]),
                joint_terms.power_jacobian(size, logs[:, 0]),
                joint_terms.power_jacobian(tokens, logs[:, 1]),
            ],
            axis=-1,
        )

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``E``, ``A``, ``alpha``, ``B``, ``beta``, float64[...]; ``C`` and ``gamma`` by domain."""
        mixture, size, tokens = self._split(theta)
        return {
            **self._mixture.named(mixture),
            "A": joint_terms.factor(size, 0),
            "alpha": size[..., 1],
            "B": joint_terms.factor(tokens, 1),
            "beta": tokens[..., 1],
        }

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Those of the additive law; at the references A and B at most e^4 times the losses."""
        low, high = self._mixture.bounds(inputs[:, :-2], losses)
        least, greatest = joint_terms.bounds(max(float(losses.max()), 1e-6))
        return np.concatenate([low, least, least]), np.concatenate([high, greatest, greatest])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The additive law's, and exponents of scale as they are known."""
        blocks = [
            self._mixture.prior(inputs[:, :-2]),
            *([self.shrinkage * part for part in joint_terms.prior(which)] for which in (0, 1)),
        ]
        rows = np.zeros((sum(len(r) for r, _ in blocks), sum(r.shape[1] for r, _ in blocks)))
        down = across = 0
        for block, _ in blocks:
            rows[down : down + len(block), across : across + block.shape[1]] = block
            down, across = down + len(block), across + block.shape[1]
        return rows, np.concatenate([values for _, values in blocks])

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """Powers of scale at random, and the additive law's starts for what they leave."""
        logs = joint_terms.log_scales(inputs)
        scale = joint_terms.start(uniforms[:, -_N_SCALE:], logs, losses)
        mixtures = []
        for own, uniform in zip(scale, uniforms, strict=True):
            left = losses - joint_terms.power(own[:2], logs[:, 0])
            left = np.maximum(left - joint_terms.power(own[2:], logs[:, 1]), 0.05 * losses)
            mixtures.append(self._mixture.start(uniform[None, :-_N_SCALE], inputs[:, :-2], left)[0])
        return np.concatenate([np.array(mixtures), scale], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """E, A and B times the factor, C divided by it, the exponents as they are."""
        mixture, size, tokens = self._split(theta)
        shift = np.array([np.log(factor), 0.0])
        return np.concatenate(
            [self._mixture.rescale(mixture, factor), size + shift, tokens + shift], axis=-1
        )

    @property
    def _mixture(self) -> Additive:
        return Additive(shrinkage=self.shrinkage)

    def _split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return theta[..., :-_N_SCALE], theta[..., -_N_SCALE:-2], theta[..., -2:]
