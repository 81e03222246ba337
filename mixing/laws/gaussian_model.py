"""A fitted Gaussian process: predictions and slopes on the scale of the losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ..fit import spread
from ..gaussian import Features, Hyperparameters, matern
from .base import Model

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """From losses to what a process models, and back.

    Attributes:
        log: bool[targets], whether logarithms are modelled.
        centre: float64[targets].
        unit: float64[targets].
    """

    log: BoolArray
    centre: FloatArray
    unit: FloatArray

    @classmethod
    def of(cls, losses: FloatArray, mean: Model | None, inputs: FloatArray) -> Scale:
        """The scale that suits these runs."""
        expected = losses if mean is None else mean.predict(inputs)
        log = np.asarray(((losses > 0) & (expected > 0)).all(axis=0))
        n_targets = losses.shape[1]
        bare = cls(log=log, centre=np.zeros(n_targets), unit=np.ones(n_targets))
        values = bare.residuals(losses, mean, inputs)
        return cls(log=log, centre=values.mean(axis=0), unit=np.array([*map(spread, values.T)]))

    def residuals(self, losses: FloatArray, mean: Model | None, inputs: FloatArray) -> FloatArray:
        """What is left of losses[runs, targets] after the mean, in units of its spread."""
        values = self._modelled(losses)
        if mean is not None:
            values = values - self._modelled(mean.predict(inputs))
        return np.asarray((values - self.centre) / self.unit)

    def losses(self, residuals: FloatArray, expected: FloatArray | None) -> FloatArray:
        """The losses that residuals[runs, targets] around the mean's stand for."""
        values = residuals * self.unit + self.centre
        if expected is None:
            return np.where(self.log, np.exp(values), values)
        # A ratio, so that a mean of zero or below, far from the runs, is no trouble.
        return np.where(self.log, expected * np.exp(values), expected + values)

    def _modelled(self, losses: FloatArray) -> FloatArray:
        return np.where(self.log, np.log(np.where(self.log, losses, 1.0)), losses)


@dataclass(frozen=True, kw_only=True, eq=False)
class GaussianProcessModel(Model):
    """Processes conditioned on runs, one a target.

    Attributes:
        mixtures: float64[runs, domains], conditioned on.
        scale: from residuals to losses.
        mean: predicts what they vary around.
        found: hyper-parameters of each target.
        weights: float64[targets, runs], of each run in the predictions.
        share_of_starts: that of the mean; a process has one start.
    """

    mixtures: FloatArray
    scale: Scale
    mean: Model | None
    found: list[Hyperparameters]
    weights: FloatArray
    share_of_starts: FloatArray

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Losses, float64[runs, targets]."""
        residuals = self._residuals(inputs)
        return self.scale.losses(
            residuals, None if self.mean is None else self.mean.predict(inputs)
        )

    def gradient(self, inputs: FloatArray) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains]."""
        log = self.scale.log
        slopes = self._slopes(inputs) * self.scale.unit[:, None]
        slopes = slopes * np.where(log, self.predict(inputs), 1.0)[..., None]
        if self.mean is None:
            return slopes
        values = self._residuals(inputs) * self.scale.unit + self.scale.centre
        ratio = np.exp(np.where(log, values, 0.0))
        return np.asarray(slopes + self.mean.gradient(inputs) * ratio[..., None])

    def state(self) -> dict[str, Any]:
        """Hyper-parameters, and the state of the mean."""
        return {
            "log": [one.log.tolist() for one in self.found],
            "noise": [one.noise.tolist() for one in self.found],
            **({} if self.mean is None else {"mean": self.mean.state()}),
        }

    def _slopes(self, inputs: FloatArray) -> FloatArray:
        """Partial derivatives of the residuals by the shares, float64[runs, targets, domains]."""
        features = Features.of(self.mixtures)
        at, steep, known = features(inputs), features.slopes(inputs), features(self.mixtures)
        slopes = np.empty((len(inputs), len(self.weights), inputs.shape[1]))
        for target, (one, weights) in enumerate(zip(self.found, self.weights, strict=True)):
            _, fall = self._matern(at, known, one)
            pull = fall * weights
            towards = at * pull.sum(axis=1)[:, None] - pull @ known
            bend = -np.exp(-2 * one.log[:-3]) * (towards * steep).sum(axis=0)
            slopes[:, target] = bend + np.exp(2 * one.log[-2]) * (weights @ known[0]) * steep[0]
        return slopes

    def _residuals(self, inputs: FloatArray) -> FloatArray:
        """Of each target in units of its spread, float64[runs, targets]."""
        features = Features.of(self.mixtures)
        at, known = features(inputs), features(self.mixtures)
        residuals = np.empty((len(inputs), len(self.weights)))
        for target, (one, weights) in enumerate(zip(self.found, self.weights, strict=True)):
            part, _ = self._matern(at, known, one)
            line = np.exp(2 * one.log[-2]) * (at[0] @ (weights @ known[0]) + weights.sum())
            residuals[:, target] = part @ weights + line
        return residuals

    @staticmethod
    def _matern(
        at: FloatArray, known: FloatArray, found: Hyperparameters
    ) -> tuple[FloatArray, FloatArray]:
        """The kernel between features[2, runs, domains], and minus twice its slope."""
        near, far = (np.concatenate(side * np.exp(-found.log[:-3]), axis=1) for side in (at, known))
        return matern(cdist(near, far, "sqeuclidean"), float(np.exp(2 * found.log[-3])))
