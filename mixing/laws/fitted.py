"""A fitted law: predictions with intervals, the report of the fit, a form that can be stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..heldout import HeldOut, jackknife_plus, pairwise_jackknife_plus
from ..simplex import check_mixtures

if TYPE_CHECKING:
    from .base import Law

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """How well a law fits, and what to beware of. Errors are mean absolute errors by target.

    Attributes:
        n_runs: runs fitted.
        n_parameters: parameters of one target.
        training_error: on the runs fitted, in the unit of the losses.
        held_out_by: "leave-one-out" below 30 runs, else "5-fold"; all three errors that follow
            come from the same folds.
        held_out_error: of the law, on runs it had not seen.
        held_out_error_constant: of the mean of the other runs.
        held_out_error_linear: of a plane through the other runs.
        share_of_starts: share of the starts that reached the best optimum.
        warnings: what to know before trusting the law, in sentences.
    """

    n_runs: int
    n_parameters: int
    training_error: tuple[float, ...]
    held_out_by: str
    held_out_error: tuple[float, ...]
    held_out_error_constant: tuple[float, ...]
    held_out_error_linear: tuple[float, ...]
    share_of_starts: tuple[float, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLaw:
    """A law with its parameters.

    Attributes:
        law: the specification it was fitted from.
        n_domains: domains a mixture has.
        theta: float64[targets, parameters], in the law's own coordinates; read ``parameters``.
        held_out: the refits without each fold; ``interval`` is made of them.
        report: errors and warnings.
    """

    law: Law
    n_domains: int
    theta: FloatArray
    held_out: HeldOut
    report: FitReport

    @property
    def convex(self) -> bool:
        """Whether every target's loss is convex in the mixture."""
        return self.law.convex

    @property
    def n_targets(self) -> int:
        """How many losses the law predicts."""
        return len(self.theta)

    @property
    def parameters(self) -> dict[str, FloatArray]:
        """The published parameters by name: float64[targets] or float64[targets, domains]."""
        return self.law.named(self.theta)

    def predict(self, mixtures: ArrayLike) -> FloatArray:
        """Predicted losses, float64[runs, targets], of mixtures[runs, domains]."""
        return self.law.values(self.theta, self._check(mixtures)).T

    def gradient(self, mixtures: ArrayLike) -> FloatArray:
        """Partial derivatives of the losses by the shares, float64[runs, targets, domains].

        As if each share could move alone; along the simplex only their differences matter. It
        is -inf where a law has a vertical tangent (the additive law at a share of zero).
        """
        by_target = self.law.gradient(self.theta, self._check(mixtures))
        return np.moveaxis(by_target, 0, 1)

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
        shares = self._check(mixtures)
        predictions = self.law.values(self.held_out.parameters, shares)
        combine = self._combination(weights)
        predictions = np.einsum("ktr,tc->ckr", predictions, combine)
        residuals = (self.held_out.residuals @ combine).T
        bounds = [
            jackknife_plus(predicted, residual, self.held_out.fold, level)
            for predicted, residual in zip(predictions, residuals, strict=True)
        ]
        return np.array([low for low, _ in bounds]).T, np.array([high for _, high in bounds]).T

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
        pair = self._check(np.stack([np.asarray(first), np.asarray(second)]))
        combine = self._combination(weights)[:, 0]
        losses = np.einsum("ktr,t->kr", self.law.values(self.held_out.parameters, pair), combine)
        return pairwise_jackknife_plus(
            losses[:, 0] - losses[:, 1],
            self.held_out.residuals @ combine,
            self.held_out.fold,
            level,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything the law is, as plain JSON values; :meth:`from_dict` restores it exactly."""
        return {
            "law": self.law.name,
            "spec": asdict(self.law),  # type: ignore[call-overload]
            "n_domains": self.n_domains,
            "theta": self.theta.tolist(),
            "held_out": {
                "fold": self.held_out.fold.tolist(),
                "parameters": self.held_out.parameters.tolist(),
                "residuals": self.held_out.residuals.tolist(),
            },
            "report": {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(self.report).items()
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FittedLaw:
        """The law that ``to_dict`` described.

        Raises:
            ValueError: for the name of a law that this package does not have.
        """
        # Here and not above: the laws import this module.
        from . import LAWS

        if data["law"] not in LAWS:
            raise ValueError(f"'law' must be one of {sorted(LAWS)}. Got {data['law']!r}.")
        held_out = data["held_out"]
        report: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in data["report"].items()
        }
        return cls(
            law=LAWS[data["law"]](**data["spec"]),
            n_domains=data["n_domains"],
            theta=np.array(data["theta"], np.float64),
            held_out=HeldOut(
                fold=np.array(held_out["fold"], np.int64),
                parameters=np.array(held_out["parameters"], np.float64),
                residuals=np.array(held_out["residuals"], np.float64),
            ),
            report=FitReport(**report),
        )

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
