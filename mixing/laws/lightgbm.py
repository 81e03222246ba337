"""Gradient-boosted trees, the regressor of RegMix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Law, Model

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LightGBM(Law):
    """Losses by gradient-boosted regression trees of the shares.

    A tree is a step function: it can't represent a slope, has no gradient, and predicts beyond
    its runs what it saw at their edge. It wants hundreds of runs. Optimise it by simulation.

    Source: RegMix (Liu et al., arXiv 2407.01492) and its code: 1,000 trees, learning rate 0.01,
    otherwise LightGBM's defaults. Departures: no early stopping, which the code decides on the
    test set (without it, mean Spearman on its 256 test runs is .9893 in place of .9896); fewer
    runs to a leaf where there are fewer than 200, without which 20 runs make no tree at all.
    Cost: about a second a target and fit for 512 runs of 17 domains; a stored law is fitted again
    when it is restored.

    Attributes:
        n_estimators: trees, >= 1.
        learning_rate: in (0, 1].
        seed: of LightGBM.
    """

    name: ClassVar[str] = "lightgbm"
    convex: ClassVar[bool] = False

    n_estimators: int = 1000
    learning_rate: float = 0.01
    seed: int = 42

    def __post_init__(self) -> None:
        if self.n_estimators < 1:
            raise ValueError(
                f"'n_estimators' of LightGBM must be at least 1. Got {self.n_estimators}."
            )
        if not 0 < self.learning_rate <= 1:
            raise ValueError(
                f"'learning_rate' of LightGBM must be in (0, 1]. Got {self.learning_rate}."
            )
        if find_spec("lightgbm") is None:
            raise ModuleNotFoundError(
                "The law 'lightgbm' needs the package lightgbm: "
                "pip install 'curate-lm[lightgbm]' (or lightgbm itself)."
            )

    @property
    def differentiable(self) -> bool:
        """No: trees are steps."""
        return False

    def solve(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,  # noqa: ARG002 - the seed is LightGBM's own
    ) -> list[Model]:
        """A booster for each subset and target."""
        return [
            LightGBMModel(
                boosters=[self._boost(inputs[seen], column[seen]) for column in losses.T],
                share_of_starts=np.ones(losses.shape[1]),
            )
            for seen in subsets
        ]

    def restore(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        states: Sequence[Mapping[str, Any]],  # noqa: ARG002 - the runs are all it takes
    ) -> list[Model]:
        """The same boosters, trained again."""
        return self.solve(inputs, losses, subsets, np.random.default_rng(0))

    def _boost(self, inputs: FloatArray, losses: FloatArray) -> Any:
        import lightgbm

        options = {
            "objective": "regression",
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "min_data_in_leaf": min(20, max(1, len(losses) // 10)),
            "num_threads": 1,
            "deterministic": True,
            "verbose": -1,
        }
        data = lightgbm.Dataset(inputs, losses, params={"verbose": -1})
        return lightgbm.train(options, data, self.n_estimators)


@dataclass(frozen=True, kw_only=True, eq=False)
class LightGBMModel(Model):
    """Boosters, one a target.

    Attributes:
        boosters: of LightGBM.
        share_of_starts: ones.
    """

    boosters: list[Any]
    share_of_starts: FloatArray

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Losses, float64[runs, targets]."""
        return np.stack([booster.predict(inputs) for booster in self.boosters], axis=1)

    def gradient(self, inputs: FloatArray) -> FloatArray:  # noqa: ARG002 - there is none
        """Trees have none.

        Raises:
            TypeError: always; see `Law.differentiable`.
        """
        raise TypeError("LightGBM has no gradient: optimise it by simulation.")

    def state(self) -> dict[str, Any]:
        """Nothing: the runs and the seed make the same boosters again."""
        return {}
