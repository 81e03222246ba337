"""What trained mixtures say of a proposal: gains, ranks and verdicts as they were recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixing.verify import Estimate, Gain

from . import charts
from .blocks import Block, Cell, Chart, Note, Table
from .shares import span

_LEVEL = 0.9
_GOOD = "better"


def checked(check: Mapping[str, Sequence[float]]) -> list[Block]:
    """A pipeline's own check: the proposal beside what it replaces, seed by seed.

    Args:
        check: losses by seed of "proposed", "proportional" and "unfiltered"; seeds in one order.
    """
    if "proposed" not in check:
        return []
    losses = {name: np.asarray(values, float) for name, values in check.items()}
    own = losses.pop("proposed")
    first: Sequence[Cell] = ("proposed", len(own), float(own.mean()), None, None, None, None)
    rows = [first]
    notes: list[Block] = []
    for name, values in losses.items():
        gain = Gain(
            predicted=np.nan,
            predicted_interval=(-np.inf, np.inf),
            observed=Estimate.of(values - own, _LEVEL),
        )
        seen = gain.observed
        ends = [end if np.isfinite(end) else None for end in (seen.low, seen.high)]
        rows.append((name, len(values), float(values.mean()), seen.mean, *ends, gain.verdict))
        if gain.verdict != _GOOD:
            notes.append(Note(_doubt(name, gain, ends), tone="warning"))
    return [
        Table(
            title="The proposal trained beside what it replaces",
            columns=(
                "mixture", "seeds", "observed loss", "gain over it", f"{_LEVEL:.0%} from", "to",
                "proposal is",
            ),
            rows=rows,
            caption="Losses of small models on held-out text, weighted as the objective is. Gains "
            "are differences seed by seed; above zero the proposal is better.",
        ),
        *notes,
    ]  # fmt: skip


def _doubt(name: str, gain: Gain, ends: Sequence[float | None]) -> str:
    seen = gain.observed
    if seen.n_seeds < 2:
        why = f"one seed says nothing of the noise (observed gain {seen.mean:.4f})"
    else:
        why = f"observed gain {seen.mean:.4f}, {_LEVEL:.0%} interval {span(ends)}"
    if gain.verdict == "worse":
        return f"Trained, the proposal is WORSE than the {name} mixture: {why}."
    return f"Trained, the proposal is not shown to be better than the {name} mixture: {why}."


def verified(found: Mapping[str, Any]) -> list[Block]:
    """What `mix verify` found.

    Args:
        found: content of verify.json.
    """
    made: list[Block] = [
        Note(
            f"Verified: {len(found['mixtures'])} mixtures trained with {found['n_seeds']} "
            f"seed{'s' * (found['n_seeds'] != 1)} each, {found['parameters']:,} parameters, "
            f"{found['tokens']:,} tokens."
        )
    ]
    for run, why in found.get("diverged", {}).items():
        made.append(Note(f"The run {run} diverged and is left out: {why}.", tone="warning"))
    for one in found["proposals"]:
        made += _proposal(one, f"{found['level']:.0%}")
    return made


def _verdict(name: str, said: Sequence[str], good: bool) -> list[Block]:
    """What was recorded. A warning is the verdict alone, and what else is worse."""
    if good:
        return [Note(" ".join(said))]
    verdict = next((at for at, one in enumerate(said) if one.startswith(f"{name} is ")), 0)
    warns = [at <= verdict or "WORSE" in one for at, one in enumerate(said)]
    warning = " ".join(one for one, warn in zip(said, warns, strict=True) if warn)
    rest = " ".join(one for one, warn in zip(said, warns, strict=True) if not warn)
    return [Note(warning, tone="warning"), *([Note(rest)] if rest else [])]


def _proposal(one: Mapping[str, Any], level: str) -> list[Block]:
    name, gains = one["label"], one["gains"]
    verdicts = [gain["verdict"] for gain in gains.values()]
    default = gains.get(one["default"]) if one["default"] is not None else None
    good = default is not None and default["verdict"] == _GOOD and "worse" not in verdicts
    made = _verdict(name, one["said"], good)
    if gains:
        series = {
            which: (
                [np.nan if gain[which] is None else gain[which] for gain in gains.values()],
                np.array([gain[f"{which}_interval"] for gain in gains.values()], float),
            )
            for which in ("predicted", "observed")
        }
        made.append(
            Chart(
                title=f"Gain of {name} over each mixture, predicted and observed",
                figure=charts.intervals(
                    list(gains), series, x="loss of the other minus the proposal's"
                ),
                caption=f"Above zero the proposal is better. Bars are {level} intervals: predicted "
                "for two runs, observed for the mean over seeds, paired by seed. Without a bar "
                "nothing bounds it.",
            )
        )
    rows: list[Sequence[Cell]] = []
    for label, loss in sorted(one["losses"].items(), key=lambda item: item[0] != name):
        gain = gains.get(label)
        ends = (None, None) if gain is None else gain["observed_interval"]
        rows.append(
            (
                label,
                loss["predicted"],
                loss["observed"],
                loss["standard_error"],
                None if gain is None else gain["observed"],
                *ends,
                "on trial" if gain is None else gain["verdict"],
            )
        )
    rank = "" if one["rank"] is None else f" It ranks {one['rank']} of {one['n_ranked']}."
    order = (
        ""
        if one["spearman"] is None
        else f" Predicted and observed order agree by {one['spearman']:.2f} (Spearman)."
    )
    made.append(
        Table(
            title=f"Losses of {name} and the others, predicted and observed",
            columns=(
                "mixture", "predicted loss", "observed loss", "standard error",
                "observed gain over it", f"{level} from", "to", "proposal is",
            ),
            rows=rows,
            caption=f"Observed are means over seeds.{rank}{order}",
        )
    )  # fmt: skip
    return made
