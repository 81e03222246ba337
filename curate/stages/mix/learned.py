"""Measures of learning curves by mixture, and the table of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixing.learning import StepChange, StepsToMatch

from ...files import whole

FloatArray = NDArray[np.float64]

MEASURES = ("final_loss", "slope", "final_slope", "tokens_to_threshold", "area", "code_length")
"""Of one run: nats per token, nats per e-fold (twice), tokens, nats per token, nats."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """Runs of one mixture at one scale, which differ by their seeds.

    Attributes:
        runs: their names.
        seeds: theirs.
        parameters: of each.
        tokens: read by each, at the last measure.
        measures: of each run, by the names of `MEASURES`; NaN where one cannot be told, inf
            where a threshold is not reached.
        changes: of accuracies, by target, one a run.
        match: against the baseline of the same scale; None for the baseline itself, and where
            there is none.
        paired: whether the match is of runs with the same seeds; else of mean curves.
    """

    runs: list[str]
    seeds: list[int]
    parameters: int
    tokens: int
    measures: dict[str, FloatArray]
    changes: dict[str, list[StepChange]] = field(default_factory=dict)
    match: StepsToMatch | None = None
    paired: bool = True

    @property
    def name(self) -> str:
        """That of its first run."""
        return self.runs[0]

    def mean(self, measure: str) -> float:
        """Over the runs; of tokens to a threshold the geometric one."""
        values = self.measures[measure]
        if measure == "tokens_to_threshold":
            return float(np.exp(np.log(values).mean()))
        return float(values.mean())


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Every mixture.

    Attributes:
        learners: one a mixture and scale, as the table has them.
        objective: weight of each target in the loss; they sum to one.
        threshold: of the loss, if any.
        baseline: name of a run, if any.
        level: of the intervals.
        diverged: why a run is left out, by its name.
    """

    learners: list[Learner]
    objective: dict[str, float]
    threshold: float | None
    baseline: str | None
    level: float
    diverged: dict[str, str]

    def write(self, path: str | Path) -> None:
        """Write as CSV, one row a run; empty where a figure cannot be told."""
        header = ["run", "mixture_of", "seed", "parameters", "tokens", *MEASURES]
        ratios = ("share", "longer")
        header += [f"{name}{end}" for name in ratios for end in ("", "_low", "_high")]
        with whole(Path(path)) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for one in self.learners:
                match: list[float] = [np.nan] * 6
                if one.match is not None:
                    both = (one.match.share, one.match.longer)
                    match = [end for r in both for end in (r.value, r.low, r.high)]
                for place, run in enumerate(one.runs):
                    figures = [one.measures[name][place] for name in MEASURES] + match
                    cells = ["" if np.isnan(value) else repr(float(value)) for value in figures]
                    writer.writerow(
                        [run, one.name, one.seeds[place], one.parameters, one.tokens, *cells]
                    )
