"""A proposed mixture beside those that need no law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Method = Literal["descent", "simulate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A mixture that one would train without any law, beside the proposed one.

    Attributes:
        mixture: float64[domains], as it is, whether or not it meets the constraints.
        loss: predicted, the weighted mean over targets.
        losses: float64[targets], predicted.
        gain: its loss minus that of the proposal: above zero where the proposal is better.
        gain_interval: (low, high), where the gain between two runs would lie. It does not know
            that the proposal was chosen for its prediction, so expect the lower half.
        gain_holds_zero: whether that interval holds zero: there may be no gain at all.
        violations: the constraints it does not meet, in words.
    """

    mixture: FloatArray
    loss: float
    losses: FloatArray
    gain: float
    gain_interval: tuple[float, float]
    gain_holds_zero: bool
    violations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """A proposed mixture beside those that need no law. Losses are weighted means over targets.

    Attributes:
        mixture: float64[domains], within the constraints.
        loss: predicted.
        losses: float64[targets], predicted.
        interval: (low, high), where the loss of a run on it would lie.
        level: of all intervals.
        gap: Frank-Wolfe gap of the regularised objective, for a convex law: no mixture within
            the constraints is predicted better by more than this. None for other laws.
        method: "descent" or "simulate".
        binding: the constraints that leave the mixture no room, in words.
        compared: "proportional", "prior" and "uniform", and "unimax" where available tokens and
            budget are known.
    """

    mixture: FloatArray
    loss: float
    losses: FloatArray
    interval: tuple[float, float]
    level: float
    gap: float | None
    method: Method
    binding: tuple[str, ...]
    compared: dict[str, Comparison]

    @property
    def certificate(self) -> str:
        """The gap in words: "Frank-Wolfe gap 2.1e-10", or "no certificate"."""
        return "no certificate" if self.gap is None else f"Frank-Wolfe gap {self.gap:.1e}"

    @property
    def baseline(self) -> FloatArray:
        """The proportional mixture, constraints or not: float64[domains]."""
        return self.compared["proportional"].mixture

    @property
    def baseline_loss(self) -> float:
        """Predicted for the proportional mixture."""
        return self.compared["proportional"].loss

    @property
    def baseline_losses(self) -> FloatArray:
        """Predicted for the proportional mixture, float64[targets]."""
        return self.compared["proportional"].losses

    @property
    def gain(self) -> float:
        """Over the proportional mixture, in the unit of the losses."""
        return self.compared["proportional"].gain

    @property
    def gain_interval(self) -> tuple[float, float]:
        """(low, high) of the gain over the proportional mixture; see `Comparison`."""
        return self.compared["proportional"].gain_interval

    @property
    def gain_holds_zero(self) -> bool:
        """Whether that interval holds zero: there may be no gain at all."""
        return self.compared["proportional"].gain_holds_zero
