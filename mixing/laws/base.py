"""What every mixing law is: a specification that runs turn into a model, judged in one way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..heldout import HeldOut, assign_folds, subsets_without
from ..simplex import check_mixtures
from .fitted import FittedLaw, Runs
from .report import describe

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Model(ABC):
    """A law fitted to one set of runs: a function from inputs to losses.

    ``inputs[runs, domains + covariates]`` are the shares, followed by the law's covariates.

    Attributes:
        share_of_starts: share of the starts that reached the best optimum, float64[targets];
            one where a closed form needs no starts.
    """

    share_of_starts: FloatArray

    @abstractmethod
    def predict(self, inputs: FloatArray) -> FloatArray:
        """Losses, float64[runs, targets]."""

    @abstractmethod
    def gradient(self, inputs: FloatArray) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains]."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What the fit found, as plain JSON values; with the runs, all that ``restore`` needs."""

    def parameters(self) -> dict[str, FloatArray]:
        """The parameters by their published names, float64[targets, ...], where it has any."""
        return {}


class Law(ABC):
    """A law's specification: its formula and how it is fitted. Fitting returns a new object.

    A subclass is a frozen keyword-only dataclass.

    Attributes:
        name: the published name.
        convex: whether every law that ``fit`` can return is convex in the mixture.
        covariates: what it reads beside the shares, in order, such as ``("parameters", "tokens")``.
    """

    name: ClassVar[str]
    convex: ClassVar[bool]
    covariates: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def solve(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> list[Model]:
        """The law fitted to each of several subsets of the runs.

        Args:
            inputs: float64[runs, domains + covariates].
            losses: float64[runs, targets].
            subsets: bool[subsets, runs], the runs that each fit may see. The first holds all of
                them; the others may start from what it found, which gives nothing away: it
                chooses among the optima of the runs that are left.
            rng: makes the starts, the same for every target, so that no target's fit depends on
                which others are there.
        """

    @abstractmethod
    def restore(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        states: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """The models that ``solve`` made of the same runs, from their ``state``."""

    @property
    def differentiable(self) -> bool:
        """Whether `Model.gradient` exists."""
        return True

    def n_parameters(self, n_domains: int) -> int | None:  # noqa: ARG002 - for subclasses
        """How many parameters one target has; None where they are not counted."""
        return None

    def caution(self, inputs: FloatArray) -> list[str]:  # noqa: ARG002 - for subclasses
        """What in these runs this law can't represent, in words."""
        return []

    def fit(
        self,
        mixtures: ArrayLike,
        losses: ArrayLike,
        rng: np.random.Generator,
        *,
        covariates: ArrayLike | None = None,
    ) -> FittedLaw:
        """The law that fits the runs best, with its held-out error beside the baselines'.

        Args:
            mixtures: [runs, domains], shares that sum to one (within 1 %: then renormalised).
            losses: [runs, targets], finite; a target is anything to be made small.
            rng: makes the starts and, from 30 runs on, the folds.
            covariates: [runs, covariates], > 0, for a law that reads them.

        Raises:
            ValueError: for mixtures off the simplex, losses that are NaN or of another length,
                covariates that are missing or not positive, or fewer than two distinct mixtures.
        """
        shares = check_mixtures(mixtures)
        observed = self.check_losses(losses, len(shares))
        inputs = np.hstack([shares, self._check_covariates(covariates, len(shares))])
        fold = assign_folds(shares, rng)
        subsets = subsets_without(fold)
        model, *refits = self.solve(inputs, observed, subsets, rng)
        held_out = HeldOut.of(fold, refits, inputs, observed)
        runs = Runs(mixtures=shares, covariates=inputs[:, shares.shape[1] :], losses=observed)
        return FittedLaw(
            law=self,
            runs=runs,
            model=model,
            held_out=held_out,
            report=describe(self, runs, model, held_out),
        )

    def check_losses(self, losses: ArrayLike, n_runs: int) -> FloatArray:
        """The losses as a new float64[runs, targets]; ValueError for what no law can use."""
        array = np.array(losses, np.float64)
        if array.ndim != 2 or array.shape[0] != n_runs or array.shape[1] == 0:
            raise ValueError(
                f"'losses' must be [runs={n_runs}, targets]; a single target is losses[:, None]. "
                f"Got shape {array.shape}."
            )
        if not np.isfinite(array).all():
            row, target = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(
                f"'losses' must be finite. Got {array[row, target]} in row {row}, target {target}; "
                "leave out runs that diverged."
            )
        return array

    def _check_covariates(self, covariates: ArrayLike | None, n_runs: int) -> FloatArray:
        if covariates is None and self.covariates:
            raise ValueError(
                f"{type(self).__name__} reads {' and '.join(self.covariates)} of every run: give "
                f"'covariates' [runs={n_runs}, {len(self.covariates)}]."
            )
        if not self.covariates:
            if covariates is not None:
                raise ValueError(
                    f"{type(self).__name__} reads the mixture alone: leave out 'covariates'."
                )
            return np.empty((n_runs, 0))
        array = np.array(covariates, np.float64)
        if array.shape != (n_runs, len(self.covariates)):
            raise ValueError(
                f"'covariates' must be [runs={n_runs}, {len(self.covariates)}]: "
                f"{', '.join(self.covariates)}. Got shape {array.shape}."
            )
        wrong = ~(np.isfinite(array) & (array > 0))
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"'{self.covariates[column]}' must be finite and > 0. "
                f"Got {array[row, column]} in row {row}."
            )
        return array
