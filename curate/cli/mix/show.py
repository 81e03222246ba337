"""What the verbs of `mix` print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console import output, printable
from ..tables import interval, percent, print_prediction, table

if TYPE_CHECKING:
    from ...stages.mix.comparing import Comparison
    from ...stages.mix.files import StoredLaw
    from ...stages.mix.fitting import Fit
    from ...stages.mix.predicting import Predicted

_MOST_ROWS = 40
_MOST_BROKEN = 3


def print_fit(found: Fit, where: str) -> None:
    """Held-out error of each target beside the baselines', and why this law."""
    stored = found.stored
    report = stored.law.report
    columns = ("target", "training error", "held-out error", "of a plane", "of the mean")
    errors = (
        report.training_error,
        report.held_out_error,
        report.held_out_error_linear,
        report.held_out_error_constant,
    )
    output.print(table(columns, list(zip(stored.targets, *errors, strict=True))))
    counted = report.n_parameters
    size = "parameters not counted" if counted is None else f"{counted} parameters a target"
    output.print(
        f"{printable(stored.law.law.name)}: {report.n_runs} runs, {size}; mean absolute errors in "
        f"the unit of the losses, held out by {report.held_out_by}."
    )
    if found.candidates:
        _print_candidates(found)
    print_warnings([*found.warnings, *by_name(report.warnings, stored)])
    output.print(f"→ {printable(where)}")


def _print_candidates(found: Fit) -> None:
    chosen = found.stored.law.law.name
    output.print(
        "Chosen by held-out error, as a share of the mean's, mean over the targets: "
        + ", ".join(f"{printable(name)} {error:.3f}" for name, error in found.candidates.items())
        + "."
    )
    if chosen != next(iter(found.candidates)):
        output.print(
            f"{printable(chosen)} is within a standard error of the least, and an average is "
            "safer where runs can't tell."
        )


def by_name(warnings: Sequence[str], stored: StoredLaw) -> list[str]:
    """Warnings that number targets or domains, with their names."""
    names = {"targets": stored.targets, "domains": stored.domains}

    def renamed(match: re.Match[str]) -> str:
        return f"{match[1]} {', '.join(names[match[1]][int(i)] for i in match[2].split(','))}"

    return [re.sub(r"(targets|domains) \[([\d, ]+)\]", renamed, warning) for warning in warnings]


def print_warnings(warnings: Sequence[str]) -> None:
    """One line each."""
    for warning in warnings:
        output.print(f"Warning: {printable(warning)}")


def print_parameters(stored: StoredLaw, level: float) -> None:
    """Each target's parameters, with their intervals."""
    found = stored.law.parameters
    if not found:
        output.print(f"{printable(stored.law.law.name)} has no parameters to print.")
        return
    intervals = stored.law.parameter_intervals(level)
    rows: list[Sequence[object]] = []
    for place, target in enumerate(stored.targets):
        for name, values in found.items():
            low, high = intervals[name]
            for index, value in np.ndenumerate(values[place]):
                label = name + "".join(f"[{_part(i, values, stored)}]" for i in index)
                ends = (float(end[(place, *index)]) for end in (low, high))
                rows.append((target, label, float(value), *ends))
    output.print(table(("target", "parameter", "value", f"{level:.0%} from", "to"), rows))


def _part(index: int, values: Any, stored: StoredLaw) -> str:
    return stored.domains[index] if values.shape[-1] == len(stored.domains) else str(index)


def print_comparison(found: Comparison, where: str | None) -> None:
    """Laws, the best first."""
    fitted = [one for one in found.laws if not one.reason]
    rows = [
        (
            one.law,
            one.held_out_error,
            one.relative,
            one.spearman,
            one.parameters,
            f"{one.seconds:.2f}",
        )
        for one in fitted
    ]
    columns = ("law", "held-out error", "over the mean's", "Spearman", "parameters", "seconds")
    output.print(table(columns, rows))
    output.print(
        f"{found.n_runs} runs, held out by {found.held_out_by}; means over the targets. "
        "The error of the mean of the other runs is 1."
    )
    print_warnings(found.warnings)
    for one in found.laws:
        if one.reason:
            output.print(f"Not fitted: {printable(one.law)}: {printable(one.reason)}")
    if where is not None:
        output.print(f"→ {printable(where)}")


def print_predicted(found: Predicted, where: str | None) -> None:
    """Losses with their intervals, and how far off they are where that is known."""
    level = f"{found.level:.0%}"
    measured = [] if found.observed is None else ["measured"]
    rows: list[Sequence[object]] = []
    for (i, t), loss in np.ndenumerate(found.losses[:_MOST_ROWS]):
        seen = [] if found.observed is None else [f"{found.observed[i, t]:.4f}"]
        ends = interval([float(found.low[i, t]), float(found.high[i, t])])
        rows.append((found.names[i], found.targets[t], f"{loss:.4f}", ends, *seen))
    shown = rows[:_MOST_ROWS]
    output.print(table(("run", "target", "loss", f"{level} interval", *measured), shown))
    left = found.losses.size - len(shown)
    if left:
        output.print(f"… and {left:,} more; --out FILE holds all of them.")
    if found.observed is not None:
        output.print()
        judged = [
            (target, error, rank, percent(inside)) for target, error, rank, inside in found.judged()
        ]
        columns = ("target", "mean absolute error", "Spearman", f"inside the {level} interval")
        output.print(table(columns, judged))
    print_warnings(found.warnings)
    if where is not None:
        output.print(f"→ {printable(where)}")


def print_mixture(found: dict[str, Any], where: str) -> None:
    """Shares beside those of mixtures that need no law, and what the law expects of each."""
    names = list(found["mixture"])
    others = _apart(found["compared"])
    columns: dict[str, list[str]] = {"domain": names}
    if "unfiltered" in found:
        columns["before"] = [percent(found["unfiltered"][name]) for name in names]
    for label, other in others.items():
        columns[label] = [percent(other["mixture"][name]) for name in names]
    columns["proposed"] = [percent(found["mixture"][name]) for name in names]
    if "epochs" in found:
        columns["epochs"] = [f"{found['epochs'][name]:.2f}" for name in names]
    output.print(table(tuple(columns), list(zip(*columns.values(), strict=True))))
    output.print()
    rows: list[Sequence[object]] = [("proposed", f"{found['predicted_loss']:.4f}", None, None)]
    for label, other in others.items():
        ends = interval(other["gain_interval"])
        if other["gain_holds_zero"]:
            ends += ", holds zero"
        rows.append((label, f"{other['loss']:.4f}", f"{other['gain']:.4f}", ends))
    level = f"{found['level']:.0%}"
    output.print(table(("mixture", "predicted loss", "gain over it", f"{level} interval"), rows))
    for label, other in others.items():
        if other["violations"]:
            broken = "; ".join(other["violations"][:_MOST_BROKEN])
            more = len(other["violations"]) - _MOST_BROKEN
            also = f"; and {more} more" if more > 0 else ""
            output.print(printable(f"The {label} mixture does not meet {broken}{also}."))
    if found["within_runs"]:
        output.print("No domain has less or more than in some run; --extrapolate lifts that.")
    output.print()
    print_prediction(found)
    output.print(f"→ {printable(where)}")


def _apart(compared: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The mixtures compared, without a prior that is the proportional one."""
    kept = dict(compared)
    if "proportional" in kept and kept["prior"]["mixture"] == kept["proportional"]["mixture"]:
        del kept["prior"]
    return kept
