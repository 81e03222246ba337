"""What a fitted law expects of other mixtures."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mixing

from ...curves import LOSS
from ...errors import ConfigError, as_config_error
from ...files import whole
from ...runs import Columns, RunTable
from ...sheets import Sheet
from .files import StoredLaw, at_covariates, load_law, rank_correlation

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Losses that a law expects.

    Attributes:
        names: one per run.
        targets: one per loss.
        losses: float64[runs, targets].
        low: float64[runs, targets], lower ends of the intervals; -inf where runs were too few.
        high: float64[runs, targets], upper ends.
        observed: float64[runs, targets], where the table holds losses.
        level: of the intervals.
        warnings: about the table, in sentences.
    """

    names: list[str]
    targets: list[str]
    losses: FloatArray
    low: FloatArray
    high: FloatArray
    observed: FloatArray | None
    level: float
    warnings: list[str]

    def write(self, path: str | Path) -> None:
        """Write as CSV, one row a run; an end that is not finite is left empty."""
        header = ["run"]
        for target in self.targets:
            header += [f"{LOSS}{target}", f"low/{target}", f"high/{target}"]
        with (
            whole(Path(path)) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            for i, name in enumerate(self.names):
                ends = np.stack([self.losses[i], self.low[i], self.high[i]], axis=1).ravel()
                writer.writerow([name, *(repr(float(e)) if np.isfinite(e) else "" for e in ends)])

    def judged(self) -> list[tuple[str, float, float | None, float]]:
        """Of each target: mean absolute error, rank correlation, share inside the interval."""
        if self.observed is None:
            return []
        errors = np.abs(self.observed - self.losses).mean(axis=0)
        inside = ((self.low <= self.observed) & (self.observed <= self.high)).mean(axis=0)
        ranks = (
            rank_correlation(self.observed[:, [t]], self.losses[:, [t]])
            for t in range(len(self.targets))
        )
        return list(zip(self.targets, errors.tolist(), ranks, inside.tolist(), strict=True))


def predict(
    law: str | Path,
    mixtures: str | Path,
    out: str | Path | None = None,
    *,
    level: float = 0.9,
    at: Mapping[str, float] | None = None,
    losses: str | Path | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Predicted:
    """The loss of each mixture on each target, with the interval a new run would lie in.

    Args:
        law: file written by `fit`.
        mixtures: CSV file with a share column for each domain of the law, in any order.
        out: CSV file to write, if any.
        level: of the intervals, in (0, 1).
        at: value of each covariate that the law reads; without it, columns of that name hold them.
        losses: CSV file of measured losses, to judge the law on.
        columns: attributes of `Columns` in place of those of the runs that the law was fitted on.

    Raises:
        ConfigError: other domains than the law's, or covariates that are missing.
    """
    stored = load_law(law)
    table = _read(stored, mixtures, losses, replace(stored.columns, **(columns or {})))
    with as_config_error(str(mixtures)), threadpool_limits(1):
        predicted, low, high = _predict(stored, table, at, level)
    found = Predicted(
        names=table.names,
        targets=stored.targets,
        losses=predicted,
        low=low,
        high=high,
        observed=table.losses if table.targets == stored.targets else None,
        level=level,
        warnings=[*table.left_out, *_seen(stored, table)],
    )
    if out is not None:
        found.write(out)
    return found


def _seen(stored: StoredLaw, table: RunTable) -> list[str]:
    """That some of the mixtures measured are those of runs that the law was fitted to."""
    # A law of model size may well be judged on a mixture it knows, at another size.
    if table.targets != stored.targets or stored.law.law.covariates:
        return []
    known = {row.tobytes() for row in stored.law.runs.mixtures.round(9)}
    shares = mixing.check_mixtures(table.mixtures).round(9)
    n_seen = sum(row.tobytes() in known for row in shares)
    if not n_seen:
        return []
    return [
        f"{n_seen} of {len(table)} mixtures are those of runs the law was fitted to: "
        "their errors are no test of it."
    ]


def _read(
    stored: StoredLaw, path: str | Path, losses: str | Path | None, columns: Columns
) -> RunTable:
    """The law's domains in the law's order, and the losses on its targets where they are there."""
    header = Sheet.read(losses or path).header
    measured = all({t, columns.loss_prefix + t} & {*header} for t in stored.targets)
    if losses is not None and not measured:
        raise ConfigError(
            f"{losses} lacks losses on some of the law's targets, {', '.join(stored.targets)}. "
            f"Found {', '.join(header)}."
        )
    wanted = replace(
        columns,
        shares=columns.shares or tuple(stored.domains),
        losses=tuple(stored.targets) if measured else (),
    )
    table = RunTable.read(path, wanted, losses)
    if table.domains != stored.domains:
        raise ConfigError(f"{path}: wanted shares of {stored.domains}. Found {table.domains}.")
    return table


def _predict(
    stored: StoredLaw,
    table: RunTable,
    at: Mapping[str, float] | None,
    level: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Losses and the ends of their intervals, float64[runs, targets] each."""
    reads = stored.law.law.covariates
    if at or not reads:
        points, which = np.empty((1, 0)), np.zeros(len(table), np.int64)
    else:
        missing = [column for column in reads if not table.has(column)]
        if missing:
            raise ConfigError(
                f"The law {stored.law.law.name} reads {', '.join(reads)}: give "
                f"{' '.join(f'--at {name}=VALUE' for name in reads)}, or a column of that name."
            )
        points, which = np.unique(table.covariates(reads), axis=0, return_inverse=True)
    parts = np.empty((3, len(table), len(stored.targets)))
    for number, point in enumerate(points):
        here = which.ravel() == number
        values = at or dict(zip(reads, point.tolist(), strict=True))
        law, shares = at_covariates(stored.law, values), table.mixtures[here]
        parts[:, here] = law.predict(shares), *law.interval(shares, level)
    return parts[0], parts[1], parts[2]
