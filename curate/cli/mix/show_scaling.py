"""What `curate mix scale` and `autoscale` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console import output, printable
from ..tables import percent, print_runs, table
from .show import print_fit, print_warnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mixing.scaling import ScaleError

    from ...stages.mix.scaling import Scaled

_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_MOST_RUNS = 40


def amount(number: float) -> str:
    """Parameters or tokens as people write them: 1.31B, 20M, 512."""
    for unit, name in _SCALES:
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.3g}"


def print_scaled(found: Scaled, where: str | None) -> None:
    """The predicted losses, then how far off such a prediction was on what ran."""
    _print_predicted(found)
    for kind, check in found.checks():
        output.print()
        _print_check(found, kind, check)
    output.print()
    print_warnings(found.warnings)
    if where is not None:
        output.print(f"→ {printable(where)}")
    if found.fit is not None:
        output.print()
        print_fit(found.fit, str(found.law))
        output.print("Its errors are about the predicted losses, and don't hold the errors above.")


def _print_predicted(found: Scaled) -> None:
    grid, table_ = found.grid, found.table
    output.print(
        f"Predicted at {amount(found.size)} parameters and {amount(found.tokens)} tokens, in "
        f"nats/token, from {grid.n_runs:,} runs: {_ran(grid.sizes, 'size', 'parameters')}, "
        f"{_ran(grid.tokens, 'step', 'tokens')}."
    )
    said = [
        f"{target / float(ran[-1]):.3g} times the {words}"
        for words, target, ran in (
            ("largest size", found.size, grid.sizes),
            ("most tokens", found.tokens, grid.tokens),
        )
        if target > ran[-1]
    ]
    if said:
        output.print(f"That is {' and '.join(said)} that ran.")
    shown = table_ if len(table_) <= _MOST_RUNS else _first(found)
    print_runs(shown)
    if len(table_) > len(shown):
        output.print(f"… and {len(table_) - len(shown):,} more; --out FILE holds all of them.")
    _print_exponents(*found.nested.exponents)


def _print_exponents(by_step: NDArray[Any], by_size: float) -> None:
    known = by_step[np.isfinite(by_step)]
    said = []
    if len(known):
        low, high = float(known.min()), float(known.max())
        said.append(f"step law {low:.2f}" + (f" to {high:.2f}" if high - low > 0.005 else ""))
    if np.isfinite(by_size):
        said.append(f"size law {by_size:.2f}")
    output.print(f"Exponents: {', '.join(said)}.")


def _ran(scales: NDArray[Any], what: str, unit: str) -> str:
    low, high = amount(float(scales[0])), amount(float(scales[-1]))
    if len(scales) == 1:
        return f"one {what} ({low} {unit})"
    return f"{len(scales)} {what}s ({low} to {high} {unit})"


def _first(found: Scaled) -> Any:
    from dataclasses import replace

    whole, n = found.table, _MOST_RUNS
    return replace(
        whole, names=whole.names[:n], mixtures=whole.mixtures[:n], losses=whole.losses[:n]
    )


def _print_check(found: Scaled, kind: str, check: ScaleError) -> None:
    if kind == "size":
        output.print(
            f"How far off at the largest size that was trained, {amount(check.held_out)} "
            f"parameters, after {amount(check.step)} tokens, predicted from the smaller ones:"
        )
    else:
        output.print(
            f"How far off at the last step that was trained, {amount(check.held_out)} tokens, "
            "predicted from the steps before:"
        )
    rows: list[Sequence[object]] = []
    for i, target in enumerate(found.grid.targets):
        guesses = (
            ("predicted", check.error, check.relative, check.order),
            (f"{kind} before", check.error_constant, check.relative_constant, check.order_constant),
        )
        for label, error, relative, order in guesses:
            rank = None if np.isnan(order[i]) else f"{order[i]:.3f}"
            figures = f"{error[i]:.4f}", f"{relative[i]:.2%}", rank, int(check.n[i])
            rows.append((target, label, *figures))
    columns = ("target", "guess", "mean absolute error", "relative", "Spearman", "losses")
    output.print(table(columns, rows))


def print_autoscaled(found: dict[str, Any], where: str) -> None:
    """Both scales' mixtures, the predicted one, and how far off it is where that is known."""
    scales = {"small": found["small"], "large": found["large"], "predicted": found}
    observed = found.get("observed")
    if observed is not None:
        scales["observed"] = observed
    rows: list[Sequence[object]] = [
        (
            domain,
            *(percent(scale["mixture"][domain]) for scale in scales.values()),
            f"{found['growth'][domain]:.2f}",
        )
        for domain in found["mixture"]
    ]
    tokens = [scale["tokens"] for scale in scales.values()]
    rows.append(("tokens", *(None if n is None else amount(n) for n in tokens), None))
    output.print(table(("domain", *scales, "growth of its tokens"), rows))
    output.print(f"The third scale is at step {found['step']:.2f}: small 0, large 1, N2² / N1 2.")
    if observed is not None:
        output.print()
        _print_judged(observed)
    for label, scale in scales.items():
        if scale.get("at_bounds"):
            output.print(
                f"Warning: the best mixture of the {label} scale is at a bound, so its growth is "
                f"that of the bound: {printable('; '.join(scale['at_bounds']))}."
            )
    output.print(f"→ {printable(where)}")


def _print_judged(observed: dict[str, Any]) -> None:
    labels = {
        "predicted": "predicted by N2² / N1",
        "large": "that of the large scale",
        "own": "best at the third scale",
    }
    compared = observed["compared"]
    own = compared["own"]["loss"]
    rows: list[Sequence[object]] = []
    for key, label in labels.items():
        loss = compared[key]["loss"]
        figures = (None, None) if loss is None else (f"{loss:.4f}", f"{loss - own:.4f}")
        rows.append((label, f"{compared[key]['total_variation']:.4f}", *figures))
    columns = ("mixture", "total variation from the best", "loss by its law", "above the best")
    output.print(table(columns, rows))
    if observed["outside_runs"]:
        output.print(
            "Warning: the prediction is outside the runs of the third scale, where its law is a "
            f"guess: {printable(', '.join(observed['outside_runs']))}."
        )
