"""Learning curves in the report, and how much sooner one mixture is as good as another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixing.learning import Ratio, StepsToMatch, final_slope, steps_to_match

from ..curves import Curves
from . import charts
from .blocks import Block, Cell, Chart, Note, Table

FloatArray = NDArray[np.float64]

_MOST_TARGETS = 6
_QUANTILES = (("best", 0.0), ("better quarter", 0.25), ("median", 0.5), ("worst", 1.0))
_SUFFIX = re.compile(r"^(?:check-)?(.*?)(?:-[0-9a-f]{8}-\d+)$")


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Runs of one mixture, which differ by their seeds.

    Attributes:
        name: of the mixture.
        steps: int64[measures].
        tokens: float64[measures], read.
        seeds: of the runs.
        losses: float64[runs, measures, targets].
    """

    name: str
    steps: NDArray[np.int64]
    tokens: FloatArray
    seeds: list[int]
    losses: FloatArray


def designed(path: Path, objective: Mapping[str, float] | None, by_target: bool) -> list[Block]:
    """Curves of the runs a law was fitted to: from the best to the worst, a few of them.

    Args:
        path: Parquet file of `mix run`.
        objective: weight of each target; None: all the same.
        by_target: whether each loss has a chart, too.
    """
    curves = Curves.read(path)
    scales = [
        (int(curves.parameters[run]), curves.steps(run).tobytes()) for run in range(len(curves))
    ]
    usual = Counter(scales).most_common(1)[0][0]
    runs = [run for run, scale in enumerate(scales) if scale == usual]
    weights = _weights(curves.targets, objective)
    order = sorted(runs, key=lambda run: float(curves.losses(run)[-1] @ weights))
    groups: dict[int, Group] = {}
    for said, share in _QUANTILES:
        run = order[round(share * (len(order) - 1))]
        if run not in groups:
            groups[run] = _group(curves, f"{said}: {curves.runs[run]}", [run])
    others = len(curves) - len(runs)
    more = f" {others} runs of other sizes or lengths are not shown." if others else ""
    lost = "".join(f" {run} diverged: {why}." for run, why in curves.diverged.items())
    return _charts(
        [*groups.values()],
        curves.targets,
        weights,
        "the runs the law was fitted to",
        f"By the objective in the end, among {len(runs)} runs of {usual[0]:,} parameters."
        f"{more}{lost}",
        by_target,
    )


def trained(
    path: Path, objective: Mapping[str, float] | None, title: str, baseline: str, by_target: bool,
    *, on_trial: Collection[str] = ("proposed",), level: float = 0.9, last: int | None = None,
) -> list[Block]:  # fmt: skip
    """Curves of named mixtures, each the mean over its seeds, and steps to match one of them.

    Args:
        path: Parquet file whose runs are named as `mix verify` and a pipeline's check name them.
        objective: weight of each target; None: all the same.
        title: what was trained, for titles.
        baseline: name of the mixture that the others are compared with.
        by_target: whether each loss has a chart, too.
        on_trial: names of the mixtures that should learn faster: a doubt of it is a warning.
        level: of the intervals.
        last: the step at which a decay of the learning rate starts, if any.
    """
    curves = Curves.read(path)
    weights = _weights(curves.targets, objective)
    groups = _named(curves)
    made = _charts(groups, curves.targets, weights, title, "Means over seeds.", by_target)
    usual = next((group for group in groups if group.name == baseline), None)
    rows: list[Sequence[Cell]] = []
    doubts = []
    for group in groups:
        loss = group.losses @ weights
        cells: list[Cell] = [group.name, len(group.seeds), float(loss[:, -1].mean())]
        cells.append(float(np.mean(final_slope(group.steps, loss))))
        match = None if usual in (None, group) else _match(group, usual, weights, level, last)
        if match is None:
            rows.append([*cells, *[None] * 4])
            continue
        share = match.share
        rows.append([*cells, *_ends(share), _finite(match.longer.value)])
        if group.name in on_trial and share.low < 1 < share.high:
            doubts.append(group.name)
    against = (
        "" if usual is None else f" Steps to match are those for the final loss of {baseline}."
    )
    made.append(
        Table(
            title=f"Speed of learning: {title}",
            columns=(
                "mixture", "seeds", "final loss", "final slope", "steps to match",
                f"{level:.0%} from", "to", f"{baseline} would need",
            ),
            rows=rows,
            caption="Loss in nats per token, slope per e-fold of steps. Steps are shares of those "
            f"that were run: below 1, the mixture learns faster.{against} A learning rate that "
            "decays draws them to 1.",
        )
    )  # fmt: skip
    if doubts:
        made.append(
            Note(
                f"The interval of the steps to match holds 1 for {', '.join(doubts)}: they may "
                f"learn no faster than {baseline}.",
                tone="warning",
            )
        )
    return made


def measured_saving(
    path: Path, objective: Mapping[str, float] | None = None
) -> tuple[float, str] | None:
    """The share of a training run that filtering and mixing save, by a pipeline's check.

    Args:
        path: its check.parquet.
        objective: weight of each target; None: all the same.

    Returns:
        One minus the steps that the proposal needs for the final loss of the corpus as it came, as
        a share of all steps, and where that is from in words; None where it was not measured.
    """
    curves = Curves.read(path)
    groups = {group.name: group for group in _named(curves)}
    if not {"proposed", "unfiltered"} <= {*groups}:
        return None
    weights = _weights(curves.targets, objective)
    match = _match(groups["proposed"], groups["unfiltered"], weights, 0.9)
    if match is None or not np.isfinite(match.share.value):
        return None
    share = match.share
    around = f" ({share.low:.0%} to {share.high:.0%})" if np.isfinite(share.high) else ""
    n = share.n_seeds
    return 1 - share.value, (
        f"Small models need {share.value:.0%}{around} of the steps on the proposal for the final "
        f"loss on the corpus as it came, with {n} seed{'s' * (n != 1)}; a large one may save more "
        "or less."
    )


def _named(curves: Curves) -> list[Group]:
    """Runs by the name of their mixture, in the order they first come."""
    runs: dict[str, list[int]] = {}
    for run, name in enumerate(curves.runs):
        found = _SUFFIX.match(name)
        runs.setdefault(found[1] if found else name, []).append(run)
    return [_group(curves, name, of) for name, of in runs.items()]


def _group(curves: Curves, name: str, runs: Sequence[int]) -> Group:
    steps = curves.steps(runs[0])
    alike = [run for run in runs if np.array_equal(curves.steps(run), steps)]
    return Group(
        name=name,
        steps=steps,
        tokens=steps * curves.tokens_per_step[runs[0]],
        seeds=[int(curves.seeds[run]) for run in alike],
        losses=np.stack([curves.losses(run) for run in alike]),
    )


def _weights(targets: Sequence[str], objective: Mapping[str, float] | None) -> FloatArray:
    """Of each target, float64[targets], summing to one; alike where the objective names none."""
    weights = np.array([(objective or {}).get(target, 0.0) for target in targets])
    if not weights.any():
        weights = np.ones(len(targets))
    found: FloatArray = weights / weights.sum()
    return found


def _charts(
    groups: Sequence[Group],
    targets: Sequence[str],
    weights: FloatArray,
    title: str,
    caption: str,
    by_target: bool,
) -> list[Block]:
    def chart(what: str, weights: FloatArray) -> Chart:
        y = {group.name: (group.losses @ weights).mean(axis=0) for group in groups}
        x = {group.name: group.tokens for group in groups}
        figure = charts.lines(
            x, y, x_title="tokens read", y_title="nats per token", log_x=True, markers=True
        )
        return Chart(title=f"Learning curves of {title}: {what}", figure=figure, caption=caption)

    made: list[Block] = [chart("the objective", weights)]
    if by_target and len(targets) > 1:
        shown = np.argsort(-weights, kind="stable")[:_MOST_TARGETS]
        made += [chart(f"text of {targets[t]}", np.eye(len(targets))[t]) for t in sorted(shown)]
        left = len(targets) - len(shown)
        if left:
            made.append(Note(f"{left} losses that weigh no more have no chart of their own."))
    return made


def _match(
    one: Group, other: Group, weights: FloatArray, level: float, last: int | None = None
) -> StepsToMatch | None:
    """By pairs of one seed; None where there are none, or nothing to compare."""
    common = [seed for seed in one.seeds if seed in other.seeds]
    if not common or len(one.steps) < 2 or not np.array_equal(one.steps, other.steps):
        return None
    rows = [
        np.stack([of.losses[of.seeds.index(seed)] @ weights for seed in common])
        for of in (one, other)
    ]
    return steps_to_match(one.steps, *rows, level=level, last=last)


def _ends(ratio: Ratio) -> list[Cell]:
    bounded = np.isfinite(ratio.high)
    return [
        _finite(ratio.value), ratio.low if bounded else None, ratio.high if bounded else None
    ]  # fmt: skip


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
