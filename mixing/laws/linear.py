"""A plane through the losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .formula import Formula

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Linear(Formula):
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

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Σ_j b_j r_j, float64[..., runs]."""
        values: FloatArray = theta @ inputs.T
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The same b everywhere, float64[..., runs, domains]."""
        return np.repeat(theta[..., None, :], len(inputs), axis=-2)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``b``, float64[..., domains]."""
        return {"b": theta}

    def estimate(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,  # noqa: ARG002 - closed form
    ) -> tuple[FloatArray, FloatArray]:
        """Least squares, of minimum norm about the mean."""
        theta = np.array([_plane(inputs[seen], losses[seen]) for seen in subsets])
        return theta, np.ones(losses.shape[1])


def _plane(mixtures: FloatArray, losses: FloatArray) -> FloatArray:
    """The slopes of each target, float64[targets, domains]."""
    centre, mean = mixtures.mean(axis=0), losses.mean(axis=0)
    slopes = np.linalg.pinv(mixtures - centre, rcond=1e-9) @ (losses - mean)
    return np.ascontiguousarray((slopes + (mean - centre @ slopes)).T)
