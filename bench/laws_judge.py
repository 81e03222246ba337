"""Laws that saw some runs, judged on others: what every table of `bench.laws` is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixing.laws import Law
from mixing.select import choose, relative_errors, select_law

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEVEL = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One law on runs it has not seen.

    Attributes:
        predicted: float64[runs, targets].
        within: bool[runs, targets], whether its 90 % interval holds the loss; None where no
            interval was made.
        held_out: of each run, its error by cross-validation over the constant law's, from
            the runs it saw alone; None where it was not asked for.
    """

    predicted: FloatArray
    within: BoolArray | None = None
    held_out: FloatArray | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one part of the benchmark prints.

    Attributes:
        columns: of the table.
        rows: of the table.
        figures: for the last line.
        notes: sentences below the table.
        coverage: share of held-out losses within the default law's intervals, where it has any.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    figures: dict[str, float]
    notes: Sequence[str] = field(default_factory=tuple)
    coverage: float | None = None

    @classmethod
    def of(cls, part: tuple[Sequence[str], Sequence[Sequence[object]], dict[str, float]]) -> Found:
        """A part that is one table with its figures."""
        columns, rows, figures = part
        return cls(columns=columns, rows=rows, figures=figures)


def judge_candidates(
    mixtures: FloatArray, losses: FloatArray, seen: BoolArray, seed: int
) -> dict[str, Judged]:
    """Every law that `select_law` chooses from, fitted to the runs seen and judged on the others.

    `chosen` tells which of them it chose.
    """
    rng = np.random.default_rng(seed)
    selected = select_law(mixtures[seen], losses[seen], rng)
    judged = {}
    for fitted in selected.candidates:
        name = fitted.law.name
        low, high = fitted.interval(mixtures[~seen], LEVEL)
        judged[name] = Judged(
            predicted=fitted.predict(mixtures[~seen]),
            within=(low <= losses[~seen]) & (losses[~seen] <= high),
            held_out=relative_errors(fitted),
        )
    return judged


def judge_alone(
    law: Law, mixtures: FloatArray, losses: FloatArray, seen: BoolArray, seed: int
) -> Judged:
    """One law, fitted once to the runs seen."""
    everything = np.ones((1, int(seen.sum())), np.bool_)
    rng = np.random.default_rng(seed)
    (model,) = law.solve(mixtures[seen], losses[seen], everything, rng)
    return Judged(predicted=model.predict(mixtures[~seen]))


def chosen(judged: Mapping[str, Judged]) -> str:
    """The law that `select_law` takes, by its errors in cross-validation."""
    return choose({n: one.held_out for n, one in judged.items() if one.held_out is not None})


def side_by_side(parts: Sequence[Mapping[str, Judged]]) -> dict[str, Judged]:
    """Candidates judged on single targets, put together as if fitted to all targets at once.

    They are the same, for no target's fit depends on which others are there, and the error that
    decides is a mean over targets.
    """
    return {
        name: Judged(
            predicted=np.hstack([part[name].predicted for part in parts]),
            within=np.hstack([np.asarray(part[name].within) for part in parts]),
            held_out=np.array([part[name].held_out for part in parts], np.float64).mean(axis=0),
        )
        for name in parts[0]
    }
