"""The mean: the law that any other must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .formula import Formula

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Constant(Formula):
    """The mean of the losses: L_i = m_i, whatever the mixture.

    It can't represent any effect of the mixture, so a law that does not beat it held out has
    learned nothing that a mixture could be chosen by.
    """

    name: ClassVar[str] = "constant"
    convex: ClassVar[bool] = True

    def n_parameters(self, n_domains: int) -> int:  # noqa: ARG002 - one, however many domains
        """One: the mean."""
        return 1

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The mean, float64[..., runs]."""
        return np.repeat(theta, len(inputs), axis=-1)

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Zero, float64[..., runs, domains]."""
        return np.zeros((*theta.shape[:-1], *inputs.shape))

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``mean``, float64[...]."""
        return {"mean": theta[..., 0]}

    def estimate(
        self,
        inputs: FloatArray,  # noqa: ARG002 - it looks at no mixture
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,  # noqa: ARG002 - closed form
    ) -> tuple[FloatArray, FloatArray]:
        """The mean of each target."""
        means = np.array([losses[seen].mean(axis=0) for seen in subsets])
        return means[:, :, None], np.ones(losses.shape[1])
