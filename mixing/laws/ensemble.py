"""The average of several laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .additive import Additive
from .base import Law, Model
from .gaussian_process import GaussianProcess
from .generalized_additive import GeneralizedAdditive

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Ensemble(Law):
    """The mean of what its members predict; by default laws with a regressor, and a regressor.

    A formula extrapolates and a regressor does not; a regressor bends where the formula can't.
    The default averages three Gaussian processes: a free one, one around the additive law, and
    one around the generalised additive law. Near the runs all follow them, far from them two
    return to their laws, and they err in different ways in between.

    It is not convex, and so has no certificate. It can't represent what no member can, and a
    member that fails takes a third of it along.

    Attributes:
        members: the laws to average, two or more, which read the mixture alone.
    """

    name: ClassVar[str] = "ensemble"
    convex: ClassVar[bool] = False

    members: tuple[Law, ...] = (
        GaussianProcess(),
        GaussianProcess(mean=Additive()),
        GaussianProcess(mean=GeneralizedAdditive()),
    )

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(
                f"'members' of Ensemble must be at least 2 laws. Got {len(self.members)}."
            )
        reading = [type(law).__name__ for law in self.members if law.covariates]
        if reading:
            raise ValueError(
                f"'members' of Ensemble must read the mixture alone. Got {', '.join(reading)}."
            )

    @property
    def differentiable(self) -> bool:
        """Whether every member is."""
        return all(law.differentiable for law in self.members)

    def check_losses(self, losses: ArrayLike, n_runs: int) -> FloatArray:
        """As every member wants them."""
        first, *_ = [law.check_losses(losses, n_runs) for law in self.members]
        return first

    def solve(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> list[Model]:
        """Every member, on its own random numbers."""
        solved = [
            law.solve(inputs, losses, subsets, own)
            for law, own in zip(self.members, rng.spawn(len(self.members)), strict=True)
        ]
        return [EnsembleModel.of(models) for models in zip(*solved, strict=True)]

    def restore(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        states: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Every member from its own state."""
        restored = [
            law.restore(inputs, losses, subsets, [state["members"][i] for state in states])
            for i, law in enumerate(self.members)
        ]
        return [EnsembleModel.of(models) for models in zip(*restored, strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class EnsembleModel(Model):
    """Fitted members.

    Attributes:
        models: one a member.
        share_of_starts: the least of theirs.
    """

    models: tuple[Model, ...]
    share_of_starts: FloatArray

    @classmethod
    def of(cls, models: tuple[Model, ...]) -> EnsembleModel:
        """The average of these models."""
        return cls(models=models, share_of_starts=np.min([m.share_of_starts for m in models], 0))

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Losses, float64[runs, targets]."""
        return np.asarray(np.mean([model.predict(inputs) for model in self.models], axis=0))

    def gradient(self, inputs: FloatArray) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains]."""
        return np.asarray(np.mean([model.gradient(inputs) for model in self.models], axis=0))

    def state(self) -> dict[str, Any]:
        """The members' states."""
        return {"members": [model.state() for model in self.models]}
