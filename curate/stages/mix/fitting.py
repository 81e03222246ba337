"""Fit a law to a table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import mixing

from ...errors import ConfigError, as_config_error
from ...registry import find, names
from ...runs import Columns, RunTable
from .files import StoredLaw

AUTO = "auto"
_FEWEST = 3  # runs: with two, the mean of the other run is all that can be held out


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What `fit` found.

    Attributes:
        stored: the law, with its names.
        candidates: for a law that was selected: the held-out error of each candidate over that of
            the mean, the best first.
        warnings: about the table, in sentences; those about the law are in its report.
    """

    stored: StoredLaw
    candidates: dict[str, float]
    warnings: list[str]


def fit(
    runs: str | Path,
    out: str | Path,
    *,
    law: str = "additive",
    losses: str | Path | None = None,
    columns: Columns | None = None,
    seed: int = 0,
) -> Fit:
    """Fit a law to a table of runs, every target by itself, and write it.

    Args:
        runs: CSV file.
        out: JSON file to write.
        law: a registered name, or "auto" to choose by held-out error.
        losses: CSV file of the losses, where they are apart.
        columns: which columns hold shares and losses.
        seed: of the starts and the folds.

    Raises:
        ConfigError: no losses in the table, too few runs, or shares and losses that no law can
            use; names the line.
    """
    table = read_runs(runs, losses, columns)
    if law == AUTO:
        spec, fitted, candidates = None, *_select(table, runs, seed)
    else:
        spec, candidates = find("laws", law)(), {}
        fitted = fit_one(spec, table, runs, seed)
    stored = StoredLaw(
        law=fitted,
        domains=table.domains,
        targets=table.targets,
        columns=columns or Columns(),
    )
    stored.write(out)
    return Fit(stored=stored, candidates=candidates, warnings=doubts(table, fitted.law.covariates))


def read_runs(runs: str | Path, losses: str | Path | None, columns: Columns | None) -> RunTable:
    """A table of runs with losses.

    Raises:
        ConfigError: a design, or fewer than three runs.
    """
    table = RunTable.read(runs, columns, losses)
    if not table.targets:
        raise ConfigError(
            f"{losses or runs} holds no losses: no column starts with "
            f"{(columns or Columns()).loss_prefix!r}. If it is a design, run `curate mix run` on "
            "it; else give --loss-prefix, --loss, or the file of losses with --losses."
        )
    if len(table) < _FEWEST:
        raise ConfigError(
            f"{runs} holds {len(table)} runs. A law needs at least {_FEWEST} and several times as "
            "many as there are domains."
        )
    return table


def fit_one(spec: mixing.Law, table: RunTable, runs: str | Path, seed: int) -> mixing.FittedLaw:
    """A law fitted to the table, with what it reads beside the shares.

    Raises:
        ConfigError: a column that the law reads is missing, or what the law refuses.
    """
    covariates = table.covariates(spec.covariates) if spec.covariates else None
    # One BLAS thread: the matrices are small, and sums must not depend on the number of cores.
    with as_config_error(str(runs)), threadpool_limits(1):
        return spec.fit(
            table.mixtures, table.losses, np.random.default_rng(seed), covariates=covariates
        )


def doubts(table: RunTable, reads: Sequence[str] | None) -> list[str]:
    """What is odd about the table, for a law that reads these covariates (None: all of them)."""
    known = dict.fromkeys(c for name in names("laws") for c in find("laws", name).covariates)
    cells = {column: table.texts(column) for column in known if table.has(column)}
    varying = {column: texts for column, texts in cells.items() if len({*texts}) > 1}
    seeds = [table.texts("seed")] if table.has("seed") else []  # several of one mixture are meant
    said = [*table.left_out, *table.duplicates([*varying.values(), *seeds])]
    ignored = [] if reads is None else [column for column in varying if column not in reads]
    if ignored:
        said.append(
            f"The runs differ in {' and '.join(ignored)}, which this law does not read. Fit runs "
            "that are alike in these, or a law that reads them."
        )
    return said


def _select(
    table: RunTable, runs: str | Path, seed: int
) -> tuple[mixing.FittedLaw, dict[str, float]]:
    from mixing.select import select_law

    with as_config_error(str(runs)), threadpool_limits(1):
        found = select_law(table.mixtures, table.losses, np.random.default_rng(seed))
    best_first = sorted(found.errors.items(), key=lambda item: item[1])
    return found.law, dict(best_first)
