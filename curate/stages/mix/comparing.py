"""All laws on one table of runs, judged by what they predict of runs they have not seen."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

import mixing

from ...errors import ConfigError
from ...files import whole
from ...progress import Progress, Reporter, silent
from ...registry import find, names
from ...runs import Columns, RunTable
from .files import rank_correlation
from .fitting import doubts, fit_one, read_runs

_CONSTANT = "constant"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One law on the table.

    Attributes:
        law: its name.
        held_out_error: mean absolute error on held-out runs, mean over the targets.
        relative: the same over that of the mean of the other runs, target by target, then the
            mean; below 1 is better than not looking at the mixture.
        spearman: rank correlation of held-out predictions and losses, mean over the targets; None
            where predictions do not differ.
        parameters: of one target; None for a regressor.
        seconds: the fit took, its refits for the held-out error included.
        reason: why it could not be fitted; empty if it was.
    """

    law: str
    held_out_error: float | None = None
    relative: float | None = None
    spearman: float | None = None
    parameters: int | None = None
    seconds: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All laws, the best first; those that could not be fitted come last.

    Attributes:
        laws: each one's figures.
        n_runs: in the table.
        held_out_by: how.
        warnings: about the table, in sentences.
    """

    laws: list[Compared]
    n_runs: int
    held_out_by: str
    warnings: list[str]

    def write(self, path: str | Path) -> None:
        """Write as CSV, one row a law."""
        with (
            whole(Path(path)) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(Compared))
            writer.writerows(astuple(one) for one in self.laws)


def compare(
    runs: str | Path,
    *,
    laws: Sequence[str] = (),
    losses: str | Path | None = None,
    columns: Columns | None = None,
    seed: int = 0,
    progress: Reporter = silent,
) -> Comparison:
    """Fit every law to a table of runs, with the same folds, and rank them by held-out error.

    Args:
        runs: CSV file.
        laws: registered names; all if none.
        losses: CSV file of the losses, where they are apart.
        columns: which columns hold shares and losses.
        seed: of the starts and the folds.
        progress: told which law is being fitted; see `curate.progress`.

    Raises:
        ConfigError: as `fit`.
    """
    table = read_runs(runs, losses, columns)
    chosen = list(dict.fromkeys(laws)) or names("laws")
    specs = {name: find("laws", name) for name in chosen}
    found = []
    with Progress(progress, None, "mix compare", Path(runs).name, len(specs)) as heard:
        for name, spec in specs.items():
            heard.doing(f"fitting {name}")
            found.append(_one(name, spec, table, runs, seed))
            heard.finish(name)
    found.sort(key=lambda one: np.inf if one.relative is None else one.relative)
    return Comparison(
        laws=found,
        n_runs=len(table),
        held_out_by=mixing.heldout.describe_folds(len(table)),
        warnings=doubts(table, None),
    )


def _one(
    name: str, spec: type[mixing.Law], table: RunTable, runs: str | Path, seed: int
) -> Compared:
    missing = [column for column in spec.covariates if not table.has(column)]
    if missing:
        return Compared(law=name, reason=f"the runs have no column {' or '.join(missing)}")
    start = time.perf_counter()
    try:
        fitted = fit_one(spec(), table, runs, seed)
    except (ConfigError, ModuleNotFoundError) as error:
        return Compared(law=name, reason=str(error))
    seconds = time.perf_counter() - start
    report = fitted.report
    losses, predicted = fitted.runs.losses, fitted.runs.losses - fitted.held_out.residuals
    return Compared(
        law=name,
        held_out_error=float(np.mean(report.held_out_error)),
        relative=mixing.relative_error(fitted),
        spearman=None if name == _CONSTANT else rank_correlation(losses, predicted),
        parameters=report.n_parameters,
        seconds=seconds,
    )
