"""What the verbs of `mix` find, as figures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..tables import runs_figures

if TYPE_CHECKING:
    from ...stages.mix.fitting import Fit
    from ...stages.mix.predicting import Predicted
    from ...stages.mix.scaling import Scaled


def fit_figures(found: Fit, where: str, level: float) -> dict[str, Any]:
    """Errors by target, parameters with their intervals, and what to beware of."""
    stored = found.stored
    report = stored.law.report
    errors = (
        "training_error",
        "held_out_error",
        "held_out_error_linear",
        "held_out_error_constant",
        "share_of_starts",
    )
    by_target = {
        target: {name: getattr(report, name)[place] for name in errors}
        for place, target in enumerate(stored.targets)
    }
    values = stored.law.parameters
    ends = stored.law.parameter_intervals(level) if values else {}
    return {
        "file": where,
        "law": stored.law.law.name,
        "domains": stored.domains,
        "n_runs": report.n_runs,
        "n_parameters": report.n_parameters,
        "held_out_by": report.held_out_by,
        "targets": by_target,
        "candidates": found.candidates,
        "level": level,
        "parameters": {
            name: {"value": value, "low": ends[name][0], "high": ends[name][1]}
            for name, value in values.items()
        },
        "warnings": [*found.warnings, *stored.warnings],
    }


def predicted_figures(found: Predicted, where: str | None) -> dict[str, Any]:
    """One a run and target, and how far off the law is where that is known."""
    observed = found.observed
    rows = [
        {
            "run": run,
            "target": target,
            "loss": found.losses[i, t],
            "low": found.low[i, t],
            "high": found.high[i, t],
            "measured": None if observed is None else observed[i, t],
        }
        for i, run in enumerate(found.names)
        for t, target in enumerate(found.targets)
    ]
    judged = ("mean_absolute_error", "spearman", "share_inside")
    return {
        "file": where,
        "level": found.level,
        "predictions": rows,
        "judged": {
            target: dict(zip(judged, rest, strict=True)) for target, *rest in found.judged()
        },
        "warnings": found.warnings,
    }


def scaled_figures(found: Scaled, where: str | None) -> dict[str, Any]:
    """The predicted losses, and how far off such a prediction was on what ran."""
    by_step, by_size = found.nested.exponents
    fit = None if found.fit is None else fit_figures(found.fit, str(found.law), 0.9)
    return {
        "file": where,
        "size": found.size,
        "tokens": found.tokens,
        "targets": found.grid.targets,
        "runs": runs_figures(found.table),
        "exponents": {"by_step": by_step, "by_size": by_size},
        "checks": {kind: vars(check) for kind, check in found.checks()},
        "fit": fit,
        "warnings": found.warnings,
    }
