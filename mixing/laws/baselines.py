"""The two laws that any other must beat: the mean, and a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Law

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Constant(Law):
    """The mean of the losses: L_i = m_i, whatever the mixture.

    It can't represent any effect of the mixture, so a law that does not beat it held out has
    learned nothing that a mixture could be chosen by.
    """

    name: ClassVar[str] = "constant"
    convex: ClassVar[bool] = True

    def n_parameters(self, n_domains: int) -> int:  # noqa: ARG002 - one, however many domains
        """One: the mean."""
        return 1

    def values(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """The mean, float64[..., runs]."""
        return np.repeat(theta, len(mixtures), axis=-1)

    def gradient(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Zero, float64[..., runs, domains]."""
        return np.zeros((*theta.shape[:-1], *mixtures.shape))

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``mean``, float64[...]."""
        return {"mean": theta[..., 0]}

    def solve(
        self,
        mixtures: FloatArray,  # noqa: ARG002 - it looks at no mixture
        losses: FloatArray,
        uniforms: FloatArray,  # noqa: ARG002 - closed form
        warm: FloatArray | None = None,  # noqa: ARG002
    ) -> tuple[FloatArray, FloatArray]:
        """The mean of each target."""
        return losses.mean(axis=0)[:, None], np.ones(losses.shape[1])


@dataclass(frozen=True, kw_only=True)
class Linear(Law):
    """A plane through the losses: L_i = Σ_j b_ij r_j, with b_ij the loss at "domain j alone".

    On the simplex an intercept would add nothing. It can't represent diminishing returns, so its
    optimum always lies in a corner of what the constraints allow.

    With fewer runs than domains the slopes are the smallest that fit (minimum norm about the
    mean), so that what the runs do not say is no effect.
    """

    name: ClassVar[str] = "linear"
    convex: ClassVar[bool] = True

    def n_parameters(self, n_domains: int) -> int:
        """One for each domain."""
        return n_domains

    def values(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Σ_j b_j r_j, float64[..., runs]."""
        values: FloatArray = theta @ mixtures.T
        return values

    def gradient(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """The same b everywhere, float64[..., runs, domains]."""
        return np.repeat(theta[..., None, :], len(mixtures), axis=-2)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``b``, float64[..., domains]."""
        return {"b": theta}

    def solve(
        self,
        mixtures: FloatArray,
        losses: FloatArray,
        uniforms: FloatArray,  # noqa: ARG002 - closed form
        warm: FloatArray | None = None,  # noqa: ARG002
    ) -> tuple[FloatArray, FloatArray]:
        """Least squares, of minimum norm about the mean."""
        centre, mean = mixtures.mean(axis=0), losses.mean(axis=0)
        slopes = np.linalg.pinv(mixtures - centre, rcond=1e-9) @ (losses - mean)
        theta = (slopes + (mean - centre @ slopes)).T
        return np.ascontiguousarray(theta), np.ones(losses.shape[1])
