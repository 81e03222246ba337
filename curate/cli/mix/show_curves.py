"""What `curate mix curves` and `schedule` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..console import output, printable
from ..tables import interval, percent, table
from .show_scaling import amount

if TYPE_CHECKING:
    from mixing.learning import Ratio

    from ...stages.mix.learned import Learned, Learner

_MOST_ROWS = 40


def print_learned(found: Learned) -> None:
    """How fast each mixture learns, the best final loss first."""
    shown = sorted(found.learners, key=_order)
    if found.objective:
        _print_speed(found, shown)
    if found.baseline is not None:
        output.print()
        _print_matches(found, shown)
    if any(one.changes for one in shown):
        output.print()
        _print_changes(shown)
    for run, reason in found.diverged.items():
        output.print(f"Left out: {printable(run)}: {printable(reason)}")


def _order(one: Learner) -> tuple[int, float]:
    final = one.mean("final_loss")
    return one.parameters, np.inf if np.isnan(final) else final


def _print_speed(found: Learned, shown: Sequence[Learner]) -> None:
    sizes = len({one.parameters for one in shown}) > 1
    columns = ["run", "seeds", "final loss", "slope", "at the end", "area", "code length"]
    if sizes:
        columns.insert(1, "parameters")
    if found.threshold is not None:
        columns.insert(-2, f"tokens to {found.threshold:g}")
    rows: list[Sequence[object]] = []
    for one in shown[:_MOST_ROWS]:
        row: list[object] = [one.name, len(one.runs)]
        row += [_fixed(one.mean(name)) for name in ("final_loss", "slope", "final_slope")]
        if sizes:
            row.insert(1, amount(one.parameters))
        if found.threshold is not None:
            row.append(_tokens(one.mean("tokens_to_threshold")))
        row += [_fixed(one.mean("area")), _tokens(one.mean("code_length"))]
        rows.append(row)
    output.print(table(columns, rows))
    _print_left(len(shown))
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in found.objective.items())
    output.print(
        f"Loss: {printable(weights)}; means over seeds. Slopes are nats per e-fold of tokens, "
        "after the warm-up and over the last e-fold; area is the mean loss over log tokens, code "
        "length the sum of loss over all tokens read, in nats."
    )


def _print_matches(found: Learned, shown: Sequence[Learner]) -> None:
    rows: list[Sequence[object]] = []
    for one in shown[:_MOST_ROWS]:
        if one.match is None:
            continue
        share, longer = one.match.share, one.match.longer
        pairs = share.n_seeds if one.paired else "none"
        row = (one.name, pairs, *_ratio(share, percent), *_ratio(longer, "{:.2f}".format))
        rows.append(row)
    if not rows:
        output.print(f"No other mixture has runs to compare with {printable(found.baseline)}.")
        return
    level = f"{found.level:.0%} interval"
    columns = ("run", "pairs", "steps to match", level, "baseline: times the steps", level)
    output.print(table(columns, rows))
    output.print(
        f"Steps to match: share of the steps for the final loss of {printable(found.baseline)}. "
        "The baseline would need so many times its own steps for the final loss of each. * by a "
        "power law, beyond the last step."
    )
    if not all(one.paired for one in shown):
        output.print(
            "Without a seed in common mean curves are compared, and nothing is known of the noise."
        )


def _print_changes(shown: Sequence[Learner]) -> None:
    rows: list[Sequence[object]] = []
    for one in shown:
        for target, changes in one.changes.items():
            for run, change in zip(one.runs, changes, strict=True):
                seen = change.kind == "step"
                row = (
                    run,
                    target,
                    change.kind,
                    _fixed(change.weights["step"]),
                    f"{change.step:,.0f}" if seen else None,
                    f"{change.rise:.2f}" if seen else None,
                    f"{change.low:.3f} to {change.high:.3f}" if seen else None,
                )
                rows.append(row)
    columns = ("run", "accuracy", "change", "weight", "at step", "rise, times", "level")
    output.print(table(columns, rows[:_MOST_ROWS]))
    _print_left(len(rows))
    output.print(
        "Weight: of a logistic in log steps, against a power law and a constant. Undecided where "
        "none has .95."
    )


def _print_left(n_rows: int) -> None:
    if n_rows > _MOST_ROWS:
        output.print(f"… and {n_rows - _MOST_ROWS:,} more; --csv FILE holds all runs.")


def _ratio(ratio: Ratio, shown: Any) -> tuple[str | None, str | None]:
    """A ratio and its interval."""
    if np.isnan(ratio.value):
        return None, None
    mark = "*" if ratio.n_extrapolated else ""
    value = "never" if np.isinf(ratio.value) else shown(ratio.value)
    if ratio.low == 0 and np.isinf(ratio.high):
        return value + mark, "unbounded"
    return value + mark, f"{shown(ratio.low)} to {shown(ratio.high)}"


def _fixed(value: float) -> str | None:
    return None if np.isnan(value) else f"{value:.4f}"


def _tokens(value: float) -> str | None:
    if np.isnan(value):
        return None
    return "not reached" if np.isinf(value) else amount(value)


def print_schedule(found: dict[str, Any], where: str) -> None:
    """The mixture of each phase, and what the law said."""
    phases = found["phases"]
    starts = [0.0, *(phase["until"] for phase in phases[:-1])]
    columns = ["domain"]
    for start, phase in zip(starts, phases, strict=True):
        columns.append(f"{start:.4g} to {phase['until']:.4g}")
    columns.append("whole")
    epochs = found.get("epochs")
    if epochs is not None:
        columns.append("epochs")
    rows: list[Sequence[object]] = []
    for name, mean in found["mixture"].items():
        row = [name, *(percent(phase["mixture"][name]) for phase in phases), percent(mean)]
        if epochs is not None:
            row.append(f"{epochs[name]:.2f}")
        rows.append(row)
    output.print(table(columns, rows))
    if "relation" in found:
        _print_relation(found)
    output.print(f"→ {printable(where)}")


_WORDS = {
    "none": "{source} is not shown to help {target}: its share goes to {target}.",
    "transfer": "{source} helps {target}: both are read throughout, in equal parts.",
    "dependency": "{target} depends on {source}: {source} is read first.",
}


def _print_relation(found: dict[str, Any]) -> None:
    if "helps" in found:
        level = f"{found['level']:.0%} interval"
        move, source, target = percent(found["move"]), found["source"], found["target"]
        for key, giver in (("helps", "the other domains"), ("replaces", target)):
            ends = interval(found[f"{key}_interval"])
            output.print(
                printable(
                    f"{move} more {source} in place of {giver}: the loss {found['loss']} "
                    f"{'falls' if found[key] >= 0 else 'rises'} by {abs(found[key]):.4f} (fall, "
                    f"{level}: {ends})."
                )
            )
    words = _WORDS[found["relation"]]
    if found["relation"] == "none" and "helps" in found:
        words = "{source} is not shown to help {target}: the mixture stays as it is."
    output.print(printable(words.format(**found)))
