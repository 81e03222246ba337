"""The mixture with the least predicted loss, and how far it can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .constraints import Constraints
from .descent import Objective, descend
from .laws.fitted import FittedLaw
from .optimum import Comparison, Method, Optimum
from .simplex import check_mixtures, unimax
from .simulate import simulate

FloatArray = NDArray[np.float64]

_RANDOM_STARTS = 32
_DESCENTS = 24  # from the starts that are predicted best


def optimize(
    law: FittedLaw,
    *,
    prior: ArrayLike,
    proportional: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    constraints: Constraints | None = None,
    kl_strength: float = 0.0,
    level: float = 0.9,
    method: Method | None = None,
    rng: np.random.Generator | None = None,
) -> Optimum:
    """The mixture that minimises the weighted predicted loss within the constraints.

    Minimises ``Σ_i w_i L_i(r) + kl_strength · KL(r ‖ prior)``. By "descent": for a convex law by
    sequential quadratic programming, then by moving mass in the direction that gains most until
    the Frank-Wolfe gap is below 1e-9 (relative to the loss, where that is above one); for other
    laws the same from many starts, without a certificate. By "simulate": the mean of the best of
    100,000 random mixtures (:func:`mixing.simulate.simulate`).

    The optimum of a *law* is as good as the law: outside the mixtures it was fitted on, it
    extrapolates. ``kl_strength`` and ``constraints`` keep the proposal near what was seen.

    Source: the certificate is Jaggi's (ICML 2013), ``max_s ∇f(r)·(r - s)``; the regularised
    objective is Olmix's (arXiv 2602.12237), which takes a strength of .05 to .1.

    Args:
        law: a fitted law; one that reads covariates, at some of them (:meth:`FittedLaw.at`).
        prior: float64[domains], the mixture in use today: first guess, and centre of the
            regularisation and of the random draws.
        proportional: float64[domains], each domain's share of the tokens that are left; the
            prior by default.
        weights: float64[targets], >= 0, normalised to sum one; equal by default.
        constraints: what a mixture may be; anything by default.
        kl_strength: weight of the divergence from the prior, in the unit of the losses, >= 0.
        level: of the intervals, in (0, 1).
        method: "descent" where the law has slopes, else "simulate", by default.
        rng: makes random starts and draws; seed 0 by default. A convex law's descent needs none.

    Raises:
        ValueError: for constraints that no mixture meets (naming them), weights that are negative
            or all zero, a divergence from a prior that gives a domain no share, or a descent on a
            law without slopes.
    """
    centre = _check_mixture("prior", prior, law.n_domains)
    given = prior if proportional is None else proportional
    kept = _check_mixture("proportional", given, law.n_domains)
    limits = constraints or Constraints()
    room = limits.polytope(law.n_domains)
    if not 0 <= kl_strength < np.inf:
        raise ValueError(f"'kl_strength' must be in [0, inf). Got {kl_strength}.")
    if kl_strength > 0 and ((centre == 0) & (room.upper > 0)).any():
        raise ValueError(
            "'prior' must give a share to every domain that may have one, for 'kl_strength' > 0. "
            f"Got {centre.tolist()}."
        )
    objective = Objective(
        law=law,
        weights=_check_weights(weights, law.n_targets),
        prior=centre,
        kl_strength=kl_strength,
        room=room,
    )
    chosen = _choose(method, law)
    rng = rng or np.random.default_rng(0)
    if chosen == "simulate":
        mixture = simulate(objective, rng)
    else:
        found = [descend(objective, start) for start in _starts(objective, rng)]
        mixture = min(found, key=objective.value)
    references = {"proportional": kept, "prior": centre} | _without_a_law(limits, law.n_domains)
    return _describe(objective, mixture, chosen, limits, references, level)


def _choose(method: Method | None, law: FittedLaw) -> Method:
    slopes = law.law.differentiable
    if method is None:
        return "descent" if slopes else "simulate"
    if method not in ("descent", "simulate"):
        raise ValueError(f"'method' must be 'descent' or 'simulate'. Got {method!r}.")
    if method == "descent" and not slopes:
        raise ValueError(
            f"'method' must be 'simulate' for {type(law.law).__name__}, which has no slopes. "
            "Got 'descent'."
        )
    return method


def _starts(objective: Objective, rng: np.random.Generator) -> FloatArray:
    """The prior; for a law that is not convex also the best of corners, ways to them, and draws."""
    room = objective.room
    first = room.bring(objective.prior[None])
    if objective.law.convex:
        return first
    corners = np.unique(room.corners().round(12), axis=0)
    somewhere = rng.dirichlet(np.ones(len(objective.prior)), size=_RANDOM_STARTS)
    others = room.bring(np.concatenate([0.5 * first + 0.5 * corners, corners, somewhere]))
    best = np.argsort(objective.values(others), kind="stable")[: _DESCENTS - 1]
    return np.concatenate([first, others[best]])


def _without_a_law(limits: Constraints, n_domains: int) -> dict[str, FloatArray]:
    """The mixtures that need neither runs nor a prior."""
    made = {"uniform": np.full(n_domains, 1 / n_domains)}
    tokens, budget = limits.available_tokens, limits.budget_tokens
    if tokens is not None and budget is not None:
        made["unimax"] = unimax(tokens, budget, max_epochs=limits.max_epochs)
    return made


def _describe(
    objective: Objective,
    mixture: FloatArray,
    method: Method,
    limits: Constraints,
    references: dict[str, FloatArray],
    level: float,
) -> Optimum:
    law, weights = objective.law, objective.weights
    losses, *others = law.predict(np.stack([mixture, *references.values()]))
    low, high = law.interval(mixture[None], level, weights=weights)
    loss = float(weights @ losses)
    compared = {}
    for (name, reference), predicted in zip(references.items(), others, strict=True):
        interval = law.difference_interval(reference, mixture, weights, level)
        compared[name] = Comparison(
            mixture=reference,
            loss=float(weights @ predicted),
            losses=predicted,
            gain=float(weights @ predicted) - loss,
            gain_interval=interval,
            gain_holds_zero=interval[0] <= 0 <= interval[1],
            violations=limits.violated(reference),
        )
    return Optimum(
        mixture=mixture,
        loss=loss,
        losses=losses,
        interval=(float(low[0, 0]), float(high[0, 0])),
        level=level,
        gap=objective.gap(mixture) if law.convex and law.law.differentiable else None,
        method=method,
        binding=limits.binding(mixture),
        compared=compared,
    )


def _check_mixture(name: str, mixture: ArrayLike, n_domains: int) -> FloatArray:
    shares: FloatArray = check_mixtures(np.atleast_2d(np.asarray(mixture, np.float64)))[0]
    if len(shares) != n_domains:
        raise ValueError(f"'{name}' must have {n_domains} domains. Got {len(shares)}.")
    return shares


def _check_weights(weights: ArrayLike | None, n_targets: int) -> FloatArray:
    array = np.ones(n_targets) if weights is None else np.array(weights, np.float64)
    if (
        array.shape != (n_targets,)
        or not np.isfinite(array).all()
        or (array < 0).any()
        or not array.any()
    ):
        raise ValueError(
            f"'weights' must be >= 0, not all zero, and one for each of {n_targets} targets. "
            f"Got {array.tolist()}."
        )
    shares: FloatArray = array / array.sum()
    return shares
