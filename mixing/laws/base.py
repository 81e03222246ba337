"""What every mixing law is: a formula from shares to losses, and one way to fit and judge it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..heldout import HeldOut, assign_folds, describe_folds
from ..simplex import check_mixtures
from .fitted import FitReport, FittedLaw

FloatArray = NDArray[np.float64]

_FEWEST_FOR_INTERVAL = 9  # jackknife+ at level .9 needs ceil(.9 (n + 1)) <= n
_RARE_OPTIMUM = 0.25


class Law(ABC):
    """A law's specification: its formula and how it is fitted. Fitting returns a new object.

    A subclass is a frozen keyword-only dataclass. ``theta[..., parameters]`` holds the parameters
    of one target or, with leading axes, of many.

    Attributes:
        name: the published name.
        convex: whether every law that ``fit`` can return is convex in the mixture.
    """

    name: ClassVar[str]
    convex: ClassVar[bool]

    @abstractmethod
    def n_parameters(self, n_domains: int) -> int:
        """How many parameters one target has."""

    @abstractmethod
    def values(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Losses, float64[..., runs], from theta[..., parameters] and mixtures[runs, domains]."""

    @abstractmethod
    def gradient(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Partial derivatives by the shares, float64[..., runs, domains]."""

    @abstractmethod
    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """The parameters by their published names, each float64[...] or float64[..., domains]."""

    @abstractmethod
    def solve(
        self,
        mixtures: FloatArray,
        losses: FloatArray,
        uniforms: FloatArray,
        warm: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """The best parameters, float64[targets, parameters], and how many starts found them.

        Args:
            mixtures: float64[runs, domains].
            losses: float64[runs, targets].
            uniforms: float64[starts, parameters] in (0, 1), what starts are made from.
            warm: float64[targets, parameters], parameters known to be near.

        Returns:
            The parameters, and the share of starts that reached them, float64[targets].
        """

    def starts(self) -> int:
        """How many starts a fit takes; one where a closed form needs none."""
        return 1

    def caution(self, mixtures: FloatArray) -> list[str]:  # noqa: ARG002 - for subclasses
        """What in these mixtures this law can't represent, in words."""
        return []

    def fit(self, mixtures: ArrayLike, losses: ArrayLike, rng: np.random.Generator) -> FittedLaw:
        """The law that fits the runs best, with its held-out error beside the baselines'.

        Args:
            mixtures: [runs, domains], shares that sum to one (within 1 %: then renormalised).
            losses: [runs, targets], finite; a target is anything to be made small.
            rng: makes the starts and, from 30 runs on, the folds.

        Raises:
            ValueError: for mixtures off the simplex, losses that are NaN or of another length,
                or fewer than two distinct mixtures.
        """
        shares = check_mixtures(mixtures)
        observed = self.check_losses(losses, len(shares))
        fold = assign_folds(shares, rng)
        uniforms = rng.random((self.starts(), self.n_parameters(shares.shape[1])))
        theta, reached = self.solve(shares, observed, uniforms)
        held_out = hold_out(self, shares, observed, fold, uniforms[:2], warm=theta)
        report = self._report(shares, observed, theta, held_out, reached)
        return FittedLaw(
            law=self, n_domains=shares.shape[1], theta=theta, held_out=held_out, report=report
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

    def _report(
        self,
        mixtures: FloatArray,
        losses: FloatArray,
        theta: FloatArray,
        held_out: HeldOut,
        reached: FloatArray,
    ) -> FitReport:
        # Here and not above: the baselines are laws themselves.
        from .baselines import Constant, Linear

        n_runs, n_parameters = len(losses), theta.shape[-1]
        nothing = np.empty((1, 0))
        errors = {
            "own": _mean_absolute(held_out.residuals),
            **{
                law.name: _mean_absolute(
                    hold_out(law, mixtures, losses, held_out.fold, nothing).residuals
                )
                for law in (Constant(), Linear())
            },
        }
        warnings = self.caution(mixtures)
        if n_runs < n_parameters:
            warnings.append(
                f"{n_runs} runs for {n_parameters} parameters a target: the prior decides what "
                "the runs do not. Trust the held-out error, not the training error."
            )
        if n_runs < _FEWEST_FOR_INTERVAL:
            warnings.append(
                f"{n_runs} runs are too few for a finite interval at level 0.9, which takes "
                f"{_FEWEST_FOR_INTERVAL}."
            )
        if not isinstance(self, Constant):
            useless = np.flatnonzero(np.array(errors["own"]) >= np.array(errors["constant"]))
            if len(useless):
                warnings.append(
                    f"Held out, the law is no better than the mean on targets {useless.tolist()}: "
                    "a mixture optimised for them is a guess."
                )
        rare = np.flatnonzero(reached < _RARE_OPTIMUM)
        if len(rare):
            warnings.append(
                f"Fewer than {_RARE_OPTIMUM:.0%} of the starts reached the best optimum on "
                f"targets {rare.tolist()}: fit again with more starts."
            )
        return FitReport(
            n_runs=n_runs,
            n_parameters=n_parameters,
            training_error=_mean_absolute(losses - self.values(theta, mixtures).T),
            held_out_by=describe_folds(n_runs),
            held_out_error=errors["own"],
            held_out_error_constant=errors["constant"],
            held_out_error_linear=errors["linear"],
            share_of_starts=tuple(reached.tolist()),
            warnings=tuple(warnings),
        )


def hold_out(
    law: Law,
    mixtures: FloatArray,
    losses: FloatArray,
    fold: NDArray[np.int64],
    uniforms: FloatArray,
    *,
    warm: FloatArray | None = None,
) -> HeldOut:
    """Fit the law without each fold in turn, and predict the fold.

    The refits start from the law of all runs and from a few other points. Starting there gives
    away nothing: it chooses among the optima of the runs that are left.
    """
    n_folds = int(fold.max()) + 1
    refits: list[FloatArray] = []
    residuals = np.empty_like(losses)
    for held in range(n_folds):
        out = fold == held
        theta, _ = law.solve(mixtures[~out], losses[~out], uniforms, warm)
        residuals[out] = losses[out] - law.values(theta, mixtures[out]).T
        refits.append(theta)
    return HeldOut(fold=fold, parameters=np.array(refits), residuals=residuals)


def _mean_absolute(residuals: FloatArray) -> tuple[float, ...]:
    means: list[Any] = np.abs(residuals).mean(axis=0).tolist()
    return tuple(means)
