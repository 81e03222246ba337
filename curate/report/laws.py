"""A law in the report: its errors on runs it had not seen, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..stages.mix.files import StoredLaw
from . import charts
from .blocks import Block, Chart, Note, Table

FloatArray = NDArray[np.float64]

LEVEL = 0.9
_MOST_RUNS = 400  # shown
_MOST_PARAMETERS = 120


def blocks(stored: StoredLaw, objective: Mapping[str, float] | None) -> list[Block]:
    """What the fit found.

    Args:
        stored: the law.
        objective: weight of each target; None: all the same.
    """
    report = stored.law.report
    counted = "" if report.n_parameters is None else f", {report.n_parameters} parameters a target"
    made: list[Block] = [
        Note(
            f"The law {stored.law.law.name}, fitted to {report.n_runs} runs{counted}. Errors and "
            f"intervals are held out ({report.held_out_by}): each run is predicted by a law that "
            "was fitted without it."
        ),
        *(Note(text, tone="warning") for text in stored.warnings),
        _errors(stored),
        *_beaten(stored),
    ]
    made += _predictions(stored, objective)
    made += _parameters(stored)
    return made


def _errors(stored: StoredLaw) -> Table:
    report = stored.law.report
    errors = (
        report.held_out_error,
        report.held_out_error_linear,
        report.held_out_error_constant,
        report.training_error,
    )
    return Table(
        title="Held-out error of the law beside a plane and the mean",
        columns=("loss on", "law", "plane", "mean of the other runs", "law, on its own runs"),
        rows=list(zip(stored.targets, *errors, strict=True)),
        caption="Mean absolute errors, in the unit of the losses. A law that is no better than "
        "the mean knows nothing. The last column is no test: the law was fitted to those runs.",
    )


def _beaten(stored: StoredLaw) -> list[Block]:
    report = stored.law.report
    pairs = zip(stored.targets, report.held_out_error, report.held_out_error_linear, strict=True)
    beaten = [target for target, own, plane in pairs if own > plane]
    if not beaten or stored.law.law.name == "linear":
        return []
    return [
        Note(
            f"A plane through the runs predicts the loss on {', '.join(beaten)} at least as well "
            "as the law.",
            tone="warning",
        )
    ]


def _predictions(stored: StoredLaw, objective: Mapping[str, float] | None) -> list[Block]:
    law = stored.law
    weights = normalised(stored, objective)
    shown = np.unique(np.linspace(0, len(law.runs) - 1, _MOST_RUNS).round().astype(int))
    some = f" Shown are {len(shown)} of {len(law.runs)} runs." if len(shown) < len(law.runs) else ""
    predicted, low, high = (p[:, 0] for p in law.held_out_predictions(LEVEL, weights=weights))
    seen = law.runs.losses @ weights
    finite = bool(np.isfinite(low).all())
    inside = float(((low <= seen) & (seen <= high)).mean())
    around = np.stack([low, high], axis=1)
    reach = (
        f"The bars are {LEVEL:.0%} intervals from the held-out errors of the other runs; "
        f"{inside:.0%} of the runs lie in theirs."
        if finite
        else f"The runs are too few for {LEVEL:.0%} intervals."
    )
    made: list[Block] = [
        Chart(
            title="Predicted against observed, held out: the objective",
            figure=charts.points(
                seen[shown],
                predicted[shown],
                names=[_mixture(stored, run) for run in shown],
                x_title="observed loss",
                y_title="held-out prediction",
                around=around[shown] if finite else None,
                diagonal=True,
            ),
            caption=f"One point a run, on the line where the law was right. {reach}{some}",
        )
    ]
    if len(stored.targets) > 1:
        each, _, _ = law.held_out_predictions(LEVEL)
        centre = law.runs.losses.mean(axis=0)
        made.append(
            Chart(
                title="Predicted against observed, held out: every loss",
                figure=charts.clouds(
                    _by_target(stored, law.runs.losses[shown] - centre),
                    _by_target(stored, each[shown] - centre),
                    x_title="observed loss, from the mean of the runs",
                    y_title="held-out prediction, from the same mean",
                    diagonal=True,
                ),
                caption="A name in the legend shows or hides its points.",
            )
        )
    return made


def _parameters(stored: StoredLaw) -> list[Block]:
    rows = stored.parameters(LEVEL)
    if not rows:
        return [Note(f"The law {stored.law.law.name} has no parameters that could be read.")]
    left = len(rows) - _MOST_PARAMETERS
    more = f" {left:,} more are in the law's file." if left > 0 else ""
    return [
        Table(
            title="The law's parameters",
            columns=("loss on", "parameter", "value", f"{LEVEL:.0%} from", "to"),
            rows=rows[:_MOST_PARAMETERS],
            caption="Intervals from the fits without each fold, symmetric and rough; one of no "
            f"width rests on a bound. Trust predictions before parameters.{more}",
        )
    ]


def normalised(stored: StoredLaw, objective: Mapping[str, float] | None) -> FloatArray:
    """The weight of each target, float64[targets], summing to one."""
    given = stored.weights(objective)
    weights = np.ones(len(stored.targets)) if given is None else np.array(given, np.float64)
    found: FloatArray = weights / weights.sum()
    return found


def _by_target(stored: StoredLaw, values: FloatArray) -> dict[str, FloatArray]:
    return dict(zip(stored.targets, values.T, strict=True))


def _mixture(stored: StoredLaw, run: int) -> str:
    """The greatest shares of a run, in words."""
    return described(stored.domains, stored.law.runs.mixtures[run])


def described(domains: Sequence[str], shares: FloatArray) -> str:
    """A mixture by its greatest shares."""
    greatest = np.argsort(-shares, kind="stable")[:3]
    return ", ".join(f"{domains[j][:12]} {shares[j]:.0%}" for j in greatest if shares[j] > 0)
