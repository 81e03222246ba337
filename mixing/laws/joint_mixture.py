"""The full joint law: what size and tokens are worth depends on the mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from . import joint_terms
from .joint_additive import JointAdditive
from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_POWER_BOUNDS = (1.0, 4.0)
_POWER, _POWER_SPREAD = 1.0, 0.5  # of gamma_A's and gamma_B's prior
_LOG_C_BOUND, _LOG_C_SPREAD = 5.0, 0.5


@dataclass(frozen=True, kw_only=True)
class JointAdditiveFull(NonlinearLaw):
    """L = E + 1/(Σ_j C_j h_j^gamma_j) + A(h)/N^alpha + B(h)/D^beta, A(h) = (Σ_j C^A_j h_j)^gamma_A.

    B(h) likewise. The best mixture may change with N and D. With gamma_A, gamma_B >= 1 the
    factors are convex, and so is L in the mixture.

    It can't represent exponents alpha or beta that depend on the mixture, nor repeated data. It has
    4 domains + 7 parameters a target, and few runs at few sizes leave most of them to the prior,
    which draws it towards `JointAdditive`.

    Source: Shukor et al., "Scaling Laws for Optimal Data Mixtures" (arXiv 2507.09404), the joint
    law. Departures: those of `JointAdditive`; 1 <= gamma_A, gamma_B <= 4, which makes it convex;
    the C^A are alike a priori.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior.
    """

    name: ClassVar[str] = "joint-additive-full"
    convex: ClassVar[bool] = True
    covariates: ClassVar[tuple[str, ...]] = joint_terms.COVARIATES
    floor: ClassVar[int | None] = 0

    n_starts: int = 12
    shrinkage: float = 0.05

    def n_parameters(self, n_domains: int) -> int:
        """Those of `JointAdditive`; for A and for B a factor a domain and a power."""
        return self._plain.n_parameters(n_domains) + 2 * (n_domains + 1)

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Losses, float64[..., runs]."""
        plain, factors = self._split(theta)
        values = self._plain.values(plain, inputs)
        for term, factor in zip(self._terms(plain, inputs), factors, strict=True):
            values = values + term * (_worth(factor, inputs[:, :-2]) - 1)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """That of the additive law, and of A and B: float64[..., runs, domains]."""
        plain, factors = self._split(theta)
        gradient = self._plain.gradient(plain, inputs)
        for term, factor in zip(self._terms(plain, inputs), factors, strict=True):
            c, power = np.exp(factor[..., :-1]), factor[..., -1:]
            base = _base(factor, inputs[:, :-2])
            slope = term * power * base ** (power - 1)
            gradient = gradient + slope[..., None] * c[..., None, :]
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """By `JointAdditive`'s parameters, then by log C^A, gamma_A, log C^B and gamma_B."""
        plain, factors = self._split(theta)
        shares = inputs[:, :-2]
        own = self._plain.jacobian(plain, inputs).copy()
        columns = [own]
        for which, (term, factor) in enumerate(
            zip(self._terms(plain, inputs), factors, strict=True)
        ):
            worth, base, power = _worth(factor, shares), _base(factor, shares), factor[..., -1:]
            at = own.shape[-1] - 4 + 2 * which
            own[..., at : at + 2] *= worth[..., None]
            part = np.exp(factor[..., :-1])[..., None, :] * shares / base[..., None]
            columns.append((term * worth * power)[..., None] * part)
            columns.append((term * worth * np.log(base))[..., None])
        return np.concatenate(columns, axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """As of `JointAdditive`, where A and B are C^A and C^B by domain, gamma_A and gamma_B."""
        plain, factors = self._split(theta)
        named = self._plain.named(plain)
        for name, factor in zip("AB", factors, strict=True):
            power = factor[..., -1:]
            scale = named.pop(name)[..., None] ** (1 / power)
            named[f"C_{name}"] = np.exp(factor[..., :-1]) * scale
            named[f"gamma_{name}"] = power[..., 0]
        return named

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Those of `JointAdditive`; C^A within e^5 of their like; 1 <= gamma_A <= 4."""
        low, high = self._plain.bounds(inputs, losses)
        width = np.full(inputs.shape[1] - 2, _LOG_C_BOUND)
        least, greatest = (
            np.append(s * width, p) for s, p in zip((-1, 1), _POWER_BOUNDS, strict=True)
        )
        return np.concatenate([low, least, least]), np.concatenate([high, greatest, greatest])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """That of `JointAdditive`; A and B do not depend on the mixture until the runs say so."""
        rows, values = self._plain.prior(inputs)
        n_domains = inputs.shape[1] - 2
        scale = np.append(np.full(n_domains, _LOG_C_SPREAD), _POWER_SPREAD)
        mean = np.append(np.zeros(n_domains), _POWER)
        own, count = np.tile(1 / scale, 2), 2 * len(scale)
        padded = np.zeros((len(rows) + count, rows.shape[1] + count))
        padded[: len(rows), : rows.shape[1]] = rows
        padded[len(rows) :, rows.shape[1] :] = self.shrinkage * np.diag(own)
        return padded, np.concatenate([values, self.shrinkage * np.tile(mean / scale, 2)])

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """Starts of `JointAdditive`, with C^A and C^B at random about one."""
        width = 2 * (inputs.shape[1] - 1)
        plain = self._plain.start(uniforms[:, :-width], inputs, losses)
        factors = uniforms[:, -width:] - 0.5
        factors[:, [width // 2 - 1, -1]] = 1 + uniforms[:, [-width // 2 - 1, -1]]
        return np.concatenate([plain, factors], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """As `JointAdditive`: what depends on the mixture is relative to A and B."""
        plain, factors = self._split(theta)
        return np.concatenate([self._plain.rescale(plain, factor), *factors], axis=-1)

    @property
    def _plain(self) -> JointAdditive:
        return JointAdditive(shrinkage=self.shrinkage)

    def _split(self, theta: FloatArray) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """The parameters of `JointAdditive`, and (log C^A…, gamma_A), (log C^B…, gamma_B)."""
        width = (theta.shape[-1] - 7) // 4 + 1
        return theta[..., : -2 * width], (theta[..., -2 * width : -width], theta[..., -width:])

    def _terms(self, plain: FloatArray, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A/N^alpha and B/D^beta before the mixture counts, float64[..., runs] each."""
        logs = joint_terms.log_scales(inputs)
        size, tokens = plain[..., -4:-2], plain[..., -2:]
        return joint_terms.power(size, logs[:, 0]), joint_terms.power(tokens, logs[:, 1])


def _base(factor: FloatArray, shares: FloatArray) -> FloatArray:
    """Σ_j C_j h_j, float64[..., runs]."""
    base: FloatArray = np.exp(factor[..., :-1]) @ shares.T
    return base


def _worth(factor: FloatArray, shares: FloatArray) -> FloatArray:
    """(Σ_j C_j h_j)^gamma, float64[..., runs]; one where all C are one."""
    worth: FloatArray = _base(factor, shares) ** factor[..., -1:]
    return worth
