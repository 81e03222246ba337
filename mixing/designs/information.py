"""What a run says about the parameters of a law."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..laws.base import Law
from ..laws.fitted import FittedLaw
from ..laws.formula import FormulaModel
from ..laws.linear import Linear
from ..laws.nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_RIDGE = 1e-6  # of the mean information, so that what no run tells is still known a little
_VIEWS = 8  # imagined targets
_REFITS = 3  # held-out refits that stand for all of them
_LEVEL = 10.0  # imagined losses, in their standard deviations


def imagined(law: Law, pool: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Features and base of a law that no run has been seen of; see :func:`most_informative`.

    A nonlinear law's information depends on its parameters. They are taken from the law's own
    first guesses for eight imagined targets, in each of which the loss falls with the logarithm
    of every share, at rates drawn at random.

    Raises:
        ValueError: for a law without a formula, or one that reads covariates.
    """
    if law.covariates:
        raise ValueError(
            f"'law' must read the mixture alone. {type(law).__name__} reads "
            f"{' and '.join(law.covariates)}: fit it first, then extend its runs."
        )
    if isinstance(law, Linear):
        return _with_base(pool[None], np.zeros((1, 0, pool.shape[1])))
    if not isinstance(law, NonlinearLaw):
        raise ValueError(
            f"'law' must have a formula whose parameters a design can be made for. "
            f"Got {type(law).__name__}."
        )
    views = []
    for rates in rng.exponential(size=(_VIEWS, pool.shape[1])):
        fall = np.log(pool + 0.01) @ rates
        losses = _LEVEL - (fall - fall.mean()) / max(float(fall.std()), 1e-9)
        uniforms = rng.random((1, law.n_parameters(pool.shape[1])))
        theta = np.clip(law.start(uniforms, pool, losses), *law.bounds(pool, losses))
        views.append(law.jacobian(theta, pool)[0])
    return _with_base(np.array(views), law.prior(pool)[0][None])


def gathered(law: FittedLaw, pool: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Features of the pool and base from the runs of a fitted law; see :func:`most_informative`.

    The views are its targets, by the parameters of the fit and of some of its held-out refits. A
    law without a formula, such as trees, has a view for each target: where its held-out refits
    disagree, in units of its held-out error.
    """
    inputs, seen = law.inputs(pool), law.runs.inputs
    if isinstance(law.law, Linear):
        features, base = _with_base(np.concatenate([inputs, seen])[None], np.zeros((1, 0, 0)))
    elif isinstance(law.law, NonlinearLaw) and isinstance(law.model, FormulaModel):
        features, base = _by_formula(law, law.law, np.concatenate([inputs, seen]))
    else:
        return _by_disagreement(law, inputs)
    known = features[:, len(pool) :]
    return features[:, : len(pool)], base + np.swapaxes(known, 1, 2) @ known


def _by_formula(
    law: FittedLaw, formula: NonlinearLaw, inputs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    models = (law.model, *law.held_out.models[:: max(1, len(law.held_out.models) // _REFITS)])
    units = law.runs.losses.std(axis=0)
    views = [
        # The unit in which the prior is meant.
        formula.jacobian(formula.rescale(theta, 1 / (unit or 1.0)), inputs)
        for model in models
        if isinstance(model, FormulaModel)
        for theta, unit in zip(model.theta, units.tolist(), strict=True)
    ]
    return _with_base(np.array(views), formula.prior(law.runs.inputs)[0][None])


def _by_disagreement(law: FittedLaw, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    refits = np.array([model.predict(inputs) for model in law.held_out.models])
    error = np.sqrt((law.held_out.residuals**2).mean(axis=0))
    apart = (refits - refits.mean(axis=0)) / np.where(error > 0, error, 1.0)
    features = np.ascontiguousarray(np.moveaxis(apart, 0, 2).swapaxes(0, 1))
    return features, np.tile(np.eye(len(refits)), (len(features), 1, 1))


def _with_base(features: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The features, and what the prior ``rows[1, k, parameters]`` and a ridge know beforehand."""
    n_parameters = features.shape[2]
    size = (features**2).sum(axis=2).mean(axis=1)[:, None, None] / n_parameters
    prior = np.swapaxes(rows, 1, 2) @ rows if rows.size else 0.0
    return features, prior + _RIDGE * np.maximum(size, 1e-12) * np.eye(n_parameters)
