"""A fitted law: predictions with intervals, the report of the fit, a form that can be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from ..heldout import (
    HeldOut,
    jackknife_plus,
    leave_out_radii,
    pairwise_jackknife_plus,
    subsets_without,
)
from ..simplex import check_mixtures
from .report import FitReport

if TYPE_CHECKING:
    from .base import Law, Model

FloatArray = NDArray[np.float64]

_NOWHERE = np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """The runs that a law was fitted to.

    Attributes:
        mixtures: float64[runs, domains], each row on the simplex.
        covariates: float64[runs, covariates], what the law reads beside the shares.
        losses: float64[runs, targets].
    """

    mixtures: FloatArray
    covariates: FloatArray
    losses: FloatArray

    def __len__(self) -> int:
        return len(self.mixtures)

    @property
    def inputs(self) -> FloatArray:
        """Shares and covariates side by side, float64[runs, domains + covariates]."""
        return np.hstack([self.mixtures, self.covariates])


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLaw:
    """A law with what its fit found.

    Attributes:
        law: the specification it was fitted from.
        runs: what it was fitted to.
        model: the fit on all runs.
        held_out: the refits without each fold; ``interval`` is made of them.
        report: errors and warnings.
        where: float64[covariates], at which model size and the like the law predicts; see `at`.
    """

    law: Law
    runs: Runs
    model: Model
    held_out: HeldOut
    report: FitReport
    where: FloatArray = field(default_factory=lambda: _NOWHERE)

    @property
    def convex(self) -> bool:
        """Whether every target's loss is convex in the mixture."""
        return self.law.convex

    @property
    def n_domains(self) -> int:
        """How many domains a mixture has."""
        return int(self.runs.mixtures.shape[1])

    @property
    def n_targets(self) -> int:
        """How many losses the law predicts."""
        return int(self.runs.losses.shape[1])

    @property
    def parameters(self) -> dict[str, FloatArray]:
        """The published parameters by name: float64[targets] or float64[targets, domains]."""
        return self.model.parameters()

    def parameter_intervals(self, level: float = 0.9) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Where each parameter lies: (low, high) by name, each as in ``parameters``.

        A delete-group jackknife of the held-out refits, with Student's t: symmetric, and rough
        where a parameter rests on a bound or the formula says the same with others. Trust
        predictions before parameters.

        Source: Busing et al., "Delete-m jackknife for unequal m" (1999), groups taken as equal.

        Args:
            level: coverage, in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"'level' must be in (0, 1). Got {level}.")
        refits = [model.parameters() for model in self.held_out.models]
        n_groups = len(refits)
        reach = float(stdtrit(n_groups - 1, (1 + level) / 2))
        intervals = {}
        for name, value in self.parameters.items():
            spread = np.std([refit[name] for refit in refits], axis=0) * np.sqrt(n_groups - 1)
            intervals[name] = (value - reach * spread, value + reach * spread)
        return intervals

    def at(self, **covariates: float) -> FittedLaw:
        """The same law, predicting at these covariates: ``law.at(parameters=1e9, tokens=2e10)``.

        Raises:
            ValueError: unless every covariate of the law is given, and > 0.
        """
        if set(covariates) != set(self.law.covariates):
            wanted = ", ".join(self.law.covariates) or "no covariates"
            raise ValueError(f"{type(self.law).__name__} reads {wanted}. Got {sorted(covariates)}.")
        where = np.array([covariates[name] for name in self.law.covariates], np.float64)
        if not (np.isfinite(where) & (where > 0)).all():
            raise ValueError(f"Covariates must be finite and > 0. Got {covariates}.")
        return replace(self, where=where)

    def inputs(self, mixtures: FloatArray) -> FloatArray:
        """What the model reads for mixtures that need no check: shares, then ``where``."""
        if len(self.where) != len(self.law.covariates):
            raise ValueError(
                f"{type(self.law).__name__} predicts at a given "
                f"{' and '.join(self.law.covariates)}: call at() first."
            )
        return np.hstack([mixtures, np.tile(self.where, (len(mixtures), 1))])

    def predict(self, mixtures: ArrayLike) -> FloatArray:
        """Predicted losses, float64[runs, targets], of mixtures[runs, domains]."""
        return self.model.predict(self.inputs(self._check(mixtures)))

    def gradient(self, mixtures: ArrayLike) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains].

        As if each share could move alone; along the simplex only their differences matter. It
        is -inf where a law has a vertical tangent (the additive law at a share of zero).
        """
        return self.model.gradient(self.inputs(self._check(mixtures)))

    def interval(
        self, mixtures: ArrayLike, level: float = 0.9, *, weights: ArrayLike | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Where the loss of a new run would lie: (low, high), float64[runs, targets] each.

        Jackknife+ on the held-out refits; see :func:`mixing.heldout.jackknife_plus` for what it
        promises, and for why fewer than 9 runs give an infinite interval at level 0.9.

        Args:
            mixtures: [runs, domains].
            level: coverage, in (0, 1).
            weights: [targets]; if given, the interval of the weighted sum, float64[runs, 1].
        """
        combine = self._combination(weights)
        predictions = np.moveaxis(self._refitted(mixtures) @ combine, 2, 0)
        residuals = (self.held_out.residuals @ combine).T
        bounds = [
            jackknife_plus(predicted, residual, self.held_out.fold, level)
            for predicted, residual in zip(predictions, residuals, strict=True)
        ]
        return np.array([low for low, _ in bounds]).T, np.array([high for _, high in bounds]).T

    def held_out_predictions(
        self, level: float = 0.9, *, weights: ArrayLike | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What was predicted of each run by the law fitted without it, and where it was to lie.

        See `mixing.heldout.leave_out_radii`.

        Args:
            level: coverage, in (0, 1).
            weights: [targets]; if given, of the weighted sum, float64[runs, 1].

        Returns:
            (predicted, low, high), float64[runs, targets] each, in the order of ``runs``.
        """
        combine = self._combination(weights)
        residuals = self.held_out.residuals @ combine
        predicted = self.runs.losses @ combine - residuals
        radii = [leave_out_radii(r, self.held_out.fold, level) for r in residuals.T]
        reach = np.stack(radii, axis=1)
        return predicted, predicted - reach, predicted + reach

    def difference_interval(
        self, first: ArrayLike, second: ArrayLike, weights: ArrayLike, level: float = 0.9
    ) -> tuple[float, float]:
        """Where the weighted loss of ``first`` minus that of ``second`` would lie: (low, high).

        Args:
            first: [domains], a mixture.
            second: [domains], another.
            weights: [targets].
            level: coverage, in (0, 1); see :func:`mixing.heldout.pairwise_jackknife_plus`.
        """
        combine = self._combination(weights)[:, 0]
        losses = self._refitted(np.stack([np.asarray(first), np.asarray(second)])) @ combine
        return pairwise_jackknife_plus(
            losses[:, 0] - losses[:, 1],
            self.held_out.residuals @ combine,
            self.held_out.fold,
            level,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything the law is, as plain JSON values; :meth:`from_dict` restores it exactly."""
        from .catalog import describe_spec

        return {
            **describe_spec(self.law),
            "runs": {name: values.tolist() for name, values in vars(self.runs).items()},
            "fold": self.held_out.fold.tolist(),
            "states": [model.state() for model in (self.model, *self.held_out.models)],
            "residuals": self.held_out.residuals.tolist(),
            "where": self.where.tolist(),
            "report": {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(self.report).items()
            },
        }

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], find: Callable[[str], type[Law]] | None = None
    ) -> FittedLaw:
        """The law that ``to_dict`` described.

        Args:
            data: as ``to_dict`` gave it.
            find: the class of a law by its name; None: `find_law`, which knows this package's.

        Raises:
            ValueError: for the name of a law that this package does not have.
        """
        from .catalog import find_law, restore_spec

        law = restore_spec(data, find or find_law)
        n_runs = len(data["runs"]["mixtures"])
        runs = Runs(
            **{k: np.array(v, np.float64).reshape(n_runs, -1) for k, v in data["runs"].items()}
        )
        fold = np.array(data["fold"], np.int64)
        states = data["states"]
        model, *refits = law.restore(runs.inputs, runs.losses, subsets_without(fold), states)
        report: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data["report"].items()
        }
        residuals = np.array(data["residuals"], np.float64)
        return cls(
            law=law,
            runs=runs,
            model=model,
            held_out=HeldOut(fold=fold, models=tuple(refits), residuals=residuals),
            report=FitReport(**report),
            where=np.array(data["where"], np.float64),
        )

    def _refitted(self, mixtures: ArrayLike) -> FloatArray:
        """Predictions of the law without each fold, float64[folds, runs, targets]."""
        inputs = self.inputs(self._check(mixtures))
        return np.array([model.predict(inputs) for model in self.held_out.models])

    def _check(self, mixtures: ArrayLike) -> FloatArray:
        shares = check_mixtures(mixtures)
        if shares.shape[1] != self.n_domains:
            raise ValueError(
                f"'mixtures' must have the {self.n_domains} domains the law was fitted on. "
                f"Got {shares.shape[1]}."
            )
        return shares

    def _combination(self, weights: ArrayLike | None) -> FloatArray:
        if weights is None:
            return np.eye(self.n_targets)
        column = np.asarray(weights, np.float64)
        if column.shape != (self.n_targets,) or not np.isfinite(column).all():
            raise ValueError(
                f"'weights' must be finite and one for each of {self.n_targets} targets. "
                f"Got {column.tolist()}."
            )
        return column[:, None]
