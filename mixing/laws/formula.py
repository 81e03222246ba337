"""Laws that are a formula with parameters, one set of them for each target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Law, Model

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Formula(Law):
    """A law whose losses follow from ``theta[..., parameters]``, one row for each target.

    With leading axes ``theta`` holds the parameters of many targets, starts or subsets at once,
    and every method follows them.
    """

    @abstractmethod
    def n_parameters(self, n_domains: int) -> int:
        """How many parameters one target has."""

    @abstractmethod
    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Losses, float64[..., runs], from theta[..., parameters] and inputs[runs, ...]."""

    @abstractmethod
    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Partial derivatives by the shares, float64[..., runs, domains]."""

    @abstractmethod
    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """The parameters by their published names, each float64[...] or float64[..., domains]."""

    @abstractmethod
    def estimate(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """The best parameters for each subset of the runs, and how many starts found them.

        Arguments as of :meth:`Law.solve`.

        Returns:
            The parameters, float64[subsets, targets, parameters], and the share of starts that
            reached those of all runs, float64[targets].
        """

    def solve(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> list[Model]:
        """A model for each subset of the runs; see :meth:`Law.solve`."""
        theta, reached = self.estimate(inputs, losses, subsets, rng)
        return [FormulaModel(formula=self, theta=one, share_of_starts=reached) for one in theta]

    def restore(
        self,
        inputs: FloatArray,  # noqa: ARG002 - the parameters are all there is
        losses: FloatArray,  # noqa: ARG002
        subsets: BoolArray,  # noqa: ARG002
        states: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """The models with these parameters."""
        return [
            FormulaModel(
                formula=self,
                theta=np.array(state["theta"], np.float64),
                share_of_starts=np.array(state["share_of_starts"], np.float64),
            )
            for state in states
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class FormulaModel(Model):
    """A formula with its parameters.

    Attributes:
        formula: the law.
        theta: float64[targets, parameters], in the law's own coordinates; read `parameters`.
        share_of_starts: see `Model`.
    """

    formula: Formula
    theta: FloatArray
    share_of_starts: FloatArray

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Losses, float64[runs, targets]."""
        return self.formula.values(self.theta, inputs).T

    def gradient(self, inputs: FloatArray) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains]."""
        return np.moveaxis(self.formula.gradient(self.theta, inputs), 0, 1)

    def state(self) -> dict[str, Any]:
        """The parameters."""
        return {"theta": self.theta.tolist(), "share_of_starts": self.share_of_starts.tolist()}

    def parameters(self) -> dict[str, FloatArray]:
        """The parameters by their published names, float64[targets] or float64[targets, ...]."""
        return self.formula.named(self.theta)
