"""Five domains, three domains and RedPajama: many random splits into runs to fit and to test.

Within a split the default law is what `select_law` takes by cross-validation on the runs to fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .laws_judge import Found, chosen, judge_candidates
from .published import five_groups, overall_weights, ratio_runs
from .workers import Workers

FloatArray = NDArray[np.float64]

SIZES = ("70M", "160M", "305M", "410M")
N_SPLITS = 20
DEFAULT = "default"
M4 = "exponential"


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Runs to split, and what is judged.

    Attributes:
        name: for progress.
        mixtures: float64[runs, domains].
        losses: float64[runs, targets], what the laws are fitted to.
        judged: float64[targets, judged], the sums of losses whose error counts.
        n_seen: runs to fit.
    """

    name: str
    mixtures: FloatArray
    losses: FloatArray
    judged: FloatArray
    n_seen: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a split, or all of them, showed.

    Attributes:
        errors: by law, absolute, float64[predictions, judged].
        within: bool[predictions, targets], whether the default's 90 % intervals hold the loss.
        chosen: the laws that the default was.
    """

    errors: dict[str, FloatArray]
    within: NDArray[np.bool_]
    chosen: Counter[str]

    @classmethod
    def of(cls, splits: Sequence[Outcome]) -> Outcome:
        """All splits together."""
        return cls(
            errors={
                name: np.concatenate([split.errors[name] for split in splits])
                for name in splits[0].errors
            },
            within=np.concatenate([split.within for split in splits]),
            chosen=sum((split.chosen for split in splits), Counter()),
        )

    def mean(self, law: str) -> FloatArray:
        """Mean absolute error, float64[judged]; the mean over splits too, which are of one size."""
        mean: FloatArray = self.errors[law].mean(axis=0)
        return mean

    def greatest(self, law: str) -> float:
        """Of all single predictions."""
        return float(self.errors[law].max())


def judge_split(problem: Problem, order: NDArray[np.int64], seed: int) -> Outcome:
    """One split: the first of the order are seen, the others predicted."""
    seen = np.zeros(len(order), np.bool_)
    seen[order[: problem.n_seen]] = True
    judged = judge_candidates(problem.mixtures, problem.losses, seen, seed)
    default = chosen(judged)
    truth = problem.losses[~seen]
    errors = {
        name: np.abs((one.predicted - truth) @ problem.judged) for name, one in judged.items()
    }
    return Outcome(
        errors={DEFAULT: errors[default], **errors},
        within=np.asarray(judged[default].within),
        chosen=Counter([default]),
    )


def judge_splits(
    problems: Sequence[Problem], workers: Workers, n_splits: int = N_SPLITS
) -> list[Outcome]:
    """All splits of each problem; problems with as many runs are split alike."""
    units = []
    for problem in problems:
        rng = np.random.default_rng(0)
        orders = [rng.permutation(len(problem.mixtures)) for _ in range(n_splits)]
        units += [(problem, order, seed) for seed, order in enumerate(orders)]
    title = problems[0].name
    outcomes = workers.map(title, judge_split, units)
    return [Outcome.of(outcomes[i * n_splits : (i + 1) * n_splits]) for i in range(len(problems))]


def five_problem(data: Path, size: str) -> Problem:
    """Losses of five groups fitted, the overall loss judged; 20 of 26 runs to fit."""
    table, weights = five_groups(data, size, 30_000)
    return Problem(
        name="five domains",
        mixtures=table.mixtures,
        losses=table.losses,
        judged=weights[:, None],
        n_seen=20,
    )


def three_problem(data: Path) -> Problem:
    """Each of three losses fitted and judged by itself; 24 of 32 runs to fit."""
    table = ratio_runs(data, "three_domains", "410M", 60_000)
    return Problem(
        name="three domains",
        mixtures=table.mixtures,
        losses=table.losses,
        judged=np.eye(3),
        n_seen=24,
    )


def redpajama_problems(data: Path) -> list[Problem]:
    """The overall loss judged, from 22 losses fitted or from itself alone; 20 of 40 runs to fit."""
    table = ratio_runs(data, "redpajama", "70M", 30_000)
    weights = overall_weights(data, table.targets)[:, None]
    ways = ((table.losses, weights), (table.losses @ weights, np.ones((1, 1))))
    return [
        Problem(name="RedPajama", mixtures=table.mixtures, losses=losses, judged=judged, n_seen=20)
        for losses, judged in ways
    ]


def five(data: Path, workers: Workers) -> Found:
    """Five domains at four model sizes: mean absolute error of the overall loss."""
    outcomes = judge_splits([five_problem(data, size) for size in SIZES], workers)
    rows = [
        [law, *(f"{one.mean(law)[0]:.4f}" for one in outcomes), _greatest(outcomes, law)]
        for law in outcomes[0].errors
    ]
    return Found(
        columns=("law", *SIZES, "greatest error"),
        rows=rows,
        figures={
            f"five_{size}": float(one.mean(DEFAULT)[0])
            for size, one in zip(SIZES, outcomes, strict=True)
        },
        notes=_notes(outcomes),
        coverage=float(np.mean([one.within for one in outcomes])),
    )


def three(data: Path, workers: Workers) -> Found:
    """Three domains: mean absolute error of each loss, and beside the exponential law's (M4)."""
    (outcome,) = judge_splits([three_problem(data)], workers)
    targets = ratio_runs(data, "three_domains", "410M", 60_000).targets
    names = [target.lower().replace("-", "") for target in targets]
    ratios = {law: outcome.mean(law) / outcome.mean(M4) for law in outcome.errors}
    rows = [
        [
            law,
            *(f"{error:.4f}" for error in outcome.mean(law)),
            *(f"{ratio:.2f}" for ratio in ratios[law]),
            _greatest([outcome], law),
        ]
        for law in outcome.errors
    ]
    return Found(
        columns=("law", *targets, *(f"{target} / M4" for target in targets), "greatest error"),
        rows=rows,
        figures={
            f"three_vs_m4_{name}": float(ratio)
            for name, ratio in zip(names, ratios[DEFAULT], strict=True)
        },
        notes=_notes([outcome]),
        coverage=float(outcome.within.mean()),
    )


def redpajama(data: Path, workers: Workers) -> Found:
    """RedPajama: error of the overall loss, fitted as 22 losses and as one, beside the mean's."""
    outcomes = judge_splits(redpajama_problems(data), workers)
    apart = outcomes[0]
    rows = []
    for law in apart.errors:
        row: list[object] = [law]
        for one in outcomes:
            ratio = one.mean(law)[0] / one.mean("constant")[0]
            row += [f"{one.mean(law)[0]:.4f}", f"{ratio:.2f}", f"{one.greatest(law):.3f}"]
        rows.append(row)
    return Found(
        columns=(
            "law",
            *("22 losses: error", "/ constant", "greatest"),
            *("one loss: error", "/ constant", "greatest"),
        ),
        rows=rows,
        figures={
            "redpajama_vs_constant": float(apart.mean(DEFAULT)[0] / apart.mean("constant")[0])
        },
        notes=_notes(outcomes, ("from 22 losses", "from one")),
        coverage=float(apart.within.mean()),
    )


def _greatest(outcomes: Sequence[Outcome], law: str) -> str:
    return f"{max(one.greatest(law) for one in outcomes):.3f}"


def _notes(outcomes: Sequence[Outcome], titles: Sequence[str] = ("",)) -> list[str]:
    """How often the default was which law."""
    if len(titles) != len(outcomes):
        outcomes = [Outcome(errors={}, within=np.empty(0, bool), chosen=_all(outcomes))]
    return [
        " ".join(["The default", *([title] if title else []), "was", _counts(one.chosen)])
        for title, one in zip(titles, outcomes, strict=True)
    ]


def _all(outcomes: Sequence[Outcome]) -> Counter[str]:
    return sum((one.chosen for one in outcomes), Counter())


def _counts(names: Counter[str]) -> str:
    return ", ".join(f"{name} in {n}" for name, n in names.most_common()) + " splits."
